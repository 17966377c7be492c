"""Pictures of the results: bars with gnuplot, a file per kind of figure."""
import os
import shutil
import subprocess

# file -> (title, units, axis)
KINDS = {
    "rates": ("Requests, connections, messages per second",
              ("requests/s", "connections/s", "messages/s"),
              "per second, logarithmic"),
    "bandwidth": ("Bodies, Gbit/s", ("Gbit/s",), "Gbit/s"),
    "latency": ("64 bytes there and back: median time",
                ("us",), "µs, logarithmic"),
    "instructions": ("Instructions of stack and service, and what we aim at",
                     ("instructions",), "instructions"),
    "memory": ("Memory of one end of an idle connection", ("bytes",),
               "bytes, logarithmic"),
}
COLORS = {"Starfish": "#e4572e", "nginx+wrk": "#a9b7c6",
          "kernel C": "#5f7183", "kernel C, busy polling": "#c8b48e",
          "libwebsockets": "#86a98a", "memcpy alone": "#d9d9d9",
          "kernel sockets": "#5f7183", "aim": "#d9d9d9"}
HEAD = """set terminal svg size %(width)d,%(height)d enhanced \
font 'Helvetica,13' background '#ffffff'
set output '%(out)s'
set title '%(title)s' font ',15'
set style data histograms
set style histogram errorbars gap 1.5 lw 1
set errorbars 0.6 lc rgb '#303030'
set style fill solid 1.0 noborder
set boxwidth 0.9
set grid ytics lt 1 lw 0.5 lc rgb '#d0d0d0'
set format y '%%.0s%%c'
set border 3 lc '#808080'
set tics nomirror
set ylabel '%(axis)s'
set yrange [%(low)s:*]
set key below horizontal width 2
%(log)s
set xtics rotate by -20 left
set datafile missing '-'
"""


def contenders(r):
    """name -> {median, min, max} of one result, ours first."""
    out = {"Starfish": r["ours"]}
    for p in r.get("peers") or ([dict(r["peer"], peer_name=r["peer_name"])]
                                if r["peer"] else []):
        out[p["peer_name"]] = p
    if r.get("aim") and r["peer"] is None:
        a = r["aim"]
        out["aim"] = {"median": a, "min": a, "max": a}
    return out


def columns(results):
    """Who stands in which column; more rare ones share the last names."""
    names = []
    for r in results:
        for w in contenders(r):
            if w not in names:
                names.append(w)
    return names


def script(kind, results, out):
    """What gnuplot is told."""
    title, _, axis = KINDS[kind]
    who = columns(results)
    log = "logarithmic" in axis
    lows = [c["min"] for r in results for c in contenders(r).values()]
    s = HEAD % {
        "out": out, "title": title, "axis": axis,
        "width": max(640, 110 * len(results) + 160), "height": 440,
        "log": "set logscale y" if log else "",
        "low": "%g" % (min(lows) / 2) if log else "0"}
    s += "$d << EOD\n"
    for r in results:
        c = contenders(r)
        s += '"%s"' % r["name"].replace("_", "\\\\_")
        for w in who:
            s += " %g %g %g" % (c[w]["median"], c[w]["min"], c[w]["max"]) \
                if w in c else " - - -"
        s += "\n"
    s += "EOD\nplot " + ", ".join(
        "$d using %d:%d:%d%s title '%s' lc rgb '%s'" % (
            3 * i + 2, 3 * i + 3, 3 * i + 4, ":xtic(1)" if i == 0 else "", w,
            COLORS.get(w, "#909090"))
        for i, w in enumerate(who)) + "\n"
    return s


def all_plots(results, build, record):
    """Write all that there is to draw; a line that says what was done."""
    if shutil.which("gnuplot") is None:
        return "no plots: gnuplot is not installed (make deps-bench)"
    here = os.path.dirname(os.path.abspath(__file__))
    dirs = [os.path.join(build, "bench", "img")]
    if record:
        dirs.append(os.path.join(here, "..", "..", "docs", "img"))
    done = []
    for d in dirs:
        os.makedirs(d, exist_ok=True)
        for kind, (_, units, _) in KINDS.items():
            some = [r for r in results if r["unit"] in units]
            if not some:
                continue
            out = os.path.join(d, kind + ".svg")
            subprocess.run(["gnuplot"], check=True, text=True,
                           input=script(kind, some, out))
            done.append(os.path.relpath(out))
    return "plots: " + " ".join(done)
