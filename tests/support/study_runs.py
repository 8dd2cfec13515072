"""The toy with presets: its third stage writes the metrics of a study, its fourth ones that no study compares."""

from tests.support.toy import Workspace

DEFAULT = """
description: as it comes
params:
  second: {factor: 3, seconds: 0.0}
  third: {factor: 5}
"""
WIDE = """
description: a wider second stage
published: {map@10: 0.5}
params:
  second: {factor: 9}
"""
TALL = """
description: a taller third stage
params:
  third: {factor: 10}
"""


def with_presets(toy: Workspace) -> Workspace:
    """Presets `default`, `wide` and `tall`, committed, after a run that left nothing to do."""
    (toy.folder / "presets").mkdir()
    for name, text in {"default": DEFAULT, "wide": WIDE, "tall": TALL}.items():
        (toy.folder / f"presets/{name}.yaml").write_text(text)
    toy.replace("dvc.yaml", "out/metrics.json", "reports/metrics.json")
    toy.replace("toy/third.py", 'Path("out/metrics.json")', 'Path("reports/metrics.json")')
    toy.replace("toy/third.py", '{"value": %d}', '{"map@10": 0.1, "value": %d}')
    toy.replace("dvc.yaml", "outs: [out/fourth.txt]", "metrics: [out/fourth.json]")
    toy.replace("toy/fourth.py", 'Path("out/fourth.txt")', 'Path("out/fourth.json")')
    toy.replace(
        "toy/fourth.py",
        'output.write_text("x" * factor * value)',
        "output.write_text('{\"value\": %d}' % (factor * value))",
    )
    (toy.folder / "out/metrics.json").unlink()
    toy.flow()
    toy.commit("presets")
    toy.ran()
    return toy
