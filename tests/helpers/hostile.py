"""Names that mean harm, and what a gate says of them."""

from nasarena.reports.gate.gate import Comparison, Gate, Options, Pair, Verdict

HOSTILE = {
    "html": "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>",
    "attribute": "\" onload='x' style=\"color:red",
    "latex": r"\input{/etc/passwd}$x$%}\end{tabular}^^5c~&#_",
    "lines": "a\n\\input{x}\r\n\n::set-output name=a::b\n##[add-path]/tmp",
    "command": "::error title=x::owned",
    "formula": '=HYPERLINK("http://x","y")',
    "at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "minus": "-2+3",
    "pipe": "a|b](http://x) ![p](http://x) `c` <!-- d",
    "terminal": "\x1b[31m\x1b]0;owned\x07\x9b2J\x00\x7f",
    "direction": "evil\u202egnp.exe\u2066",
    "math": r"$\frac{1}{$ _underscored",
    "path": "../../../etc/passwd\0/..",
    "long": "n" * 400,
    "reserved": "CON",
    "emoji": "\N{PILE OF POO}é漢",
}


LABELS = [
    f"{name}: {text}" if name in ("emoji", "long") else text for name, text in HOSTILE.items()
]


TASK = "t/" + HOSTILE["html"]


def gate():
    pairs = [
        Pair(
            TASK,
            label,
            Verdict.REGRESSED,
            3,
            (Comparison("regret", Verdict.REGRESSED, note=label),),
        )
        for label in LABELS
    ]
    return Gate("../a|b", "c`d", tuple(pairs), (), tuple(LABELS), Options())
