"""HTTP as a stranger speaks it: odd requests, halves of requests, limits."""
import http_probe
from lib import Instance, OURS, TMP, claim, http, test, write


def www():
    """The document root that the probe asks for."""
    write(TMP + "/www/index.html", "<p>index</p>\n")
    write(TMP + "/www/file.txt", "0123456789" * 100)


@test
def odd_requests_get_the_answers_that_the_rfcs_ask_for():
    www()
    with Instance([http(count=1)]):
        n, wrong = 0, []
        for group, name, _, _, complaint in http_probe.Probe(OURS).run():
            n += 1
            if complaint:
                wrong.append("%s: %s: %s" % (group, name, complaint))
        claim(n >= 200, "only %d requests" % n)
        claim(not wrong, "%d of %d:\n%s" % (len(wrong), n, "\n".join(wrong)))
