"""The table that people read, and its copy in docs/performance.md."""
import os
import platform
import re
import subprocess
import time

HEAD = ("| what | unit | ours: median (min-max) | peer | its median (min-max)"
        " | ratio |")
RULE = "|---|---|---|---|---|---|"


def number(v):
    """Three digits or so, with a unit of thousands where it helps."""
    if v is None:
        return "-"
    for limit, div, suffix in ((1e6, 1e6, " M"), (1e4, 1e3, " k")):
        if v >= limit:
            return "%.3g%s" % (v / div, suffix) if v / div < 1000 else \
                "%.0f%s" % (v / div, suffix)
    return "%.3g" % v if v < 1000 else "%.0f" % v


def span(s):
    if s["min"] == s["max"]:
        return number(s["median"])
    return "%s (%s-%s)" % (number(s["median"]), number(s["min"]),
                           number(s["max"]))


def ratio(v):
    return "-" if v is None else "%.2f" % v


def rows(r):
    """Table rows of one result, a row per peer."""
    if r["peer"] is None:
        aim = "aim: %g" % r["aim"] if r.get("aim") else "-"
        return [(r["name"], r["unit"], span(r["ours"]), "", aim, "")]
    out = []
    for p in r.get("peers", [dict(r["peer"], peer_name=r["peer_name"],
                                  ratio=r["ratio"])]):
        first = not out
        out.append((r["name"] if first else "", r["unit"] if first else "",
                    span(r["ours"]) if first else "", p["peer_name"],
                    span(p), ratio(p["ratio"])))
    return out


def line(r):
    """One line while the rest still runs."""
    s = "%-28s %s %s" % (r["name"], span(r["ours"]), r["unit"])
    if r["peer"] is not None:
        s += "; " + ", ".join(
            "%s: %s, ratio %s" % (p[3], p[4], p[5]) for p in rows(r))
    n = r["note"]
    if n.get("thrown_away") or n.get("noisy_rounds_used"):
        s += "  [%d rounds thrown away, %d noisy ones used]" % (
            n.get("thrown_away", 0), n.get("noisy_rounds_used", 0))
    if n.get("drops"):
        s += "  lost: %s" % ", ".join("%s %d" % d for d in n["drops"].items())
    return s


def text(results):
    """The whole as a table with columns that line up."""
    table = [[c.strip() for c in HEAD.strip("| ").split("|")]]
    for r in results:
        table += [list(row) for row in rows(r)]
    width = [max(len(row[i]) for row in table) for i in range(6)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, width)).rstrip()
             for row in table]
    lines.insert(1, "  ".join("-" * w for w in width))
    for r in results:
        if r["ours"].get("p50_us") is not None:
            lines.append("%s: answer after p50 %s us, p99 %s us; %s" % (
                r["name"], r["ours"]["p50_us"], r["ours"]["p99_us"],
                "; ".join("%s p50 %s us, p99 %s us" %
                          (p["peer_name"], p["p50_us"], p["p99_us"])
                          for p in r["peers"] if p["p50_us"] is not None)))
    return "\n".join(lines)


def machine():
    with open("/proc/cpuinfo") as f:
        m = re.search(r"model name\s*:\s*(.*)", f.read())
    return "%s, %d cpus, Linux %s" % (m.group(1) if m else "?",
                                      os.cpu_count(), platform.release())


def record(results, bench):
    """Append what was measured to docs/performance.md."""
    p = subprocess.run([bench.program("bin/starfish"), "version"],
                       stdout=subprocess.PIPE, text=True)
    here = os.path.dirname(os.path.abspath(__file__))
    path = os.path.join(here, "..", "..", "docs", "performance.md")
    noisy = sum(r["note"].get("noisy_rounds_used", 0) for r in results)
    with open(path, "a") as f:
        f.write("\n### %s, %s\n\n%s; %d rounds of %g s%s.\n\n%s\n%s\n" % (
            time.strftime("%Y-%m-%d"), p.stdout.strip(), machine(),
            bench.rounds, bench.seconds,
            "; %d rounds were noisier than allowed" % noisy if noisy else "",
            HEAD, RULE))
        for r in results:
            for row in rows(r):
                f.write("| %s |\n" % " | ".join(row))
    pictures(path)
    print("\nappended to docs/performance.md")


def pictures(path):
    """Show the plots of docs/img, those there are, before the figures."""
    docs = os.path.dirname(path)
    names = [n for n in ("rates", "bandwidth", "latency", "instructions",
                         "memory")
             if os.path.exists("%s/img/%s.svg" % (docs, n))]
    with open(path) as f:
        text = f.read()
    before, _, rest = text.partition("## Figures\n")
    before = before.partition("## Pictures\n")[0]
    if names:
        before += ("## Pictures\n\nOf the run recorded last; thin lines are "
                   "the least and the most.\n\n" +
                   "".join("![%s](img/%s.svg)\n\n" % (n, n) for n in names))
    with open(path, "w") as f:
        f.write(before + "## Figures\n" + rest)
