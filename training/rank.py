"""What to look at first: cases by how much their proposals differ, `python -m training.rank WORKSPACE`.

Disagreement is one minus the mean Dice of all pairs of a case's proposals. Rewrites cases.csv in that order and prints it.
"""
import argparse
from itertools import combinations

from .workspace import Workspace


def dice(a, b):
    """Of two masks that mark anything but 0; two empty ones agree."""
    a, b = a > 0, b > 0
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0


def disagreement(masks):
    """0 (all the same) to 1 (no two share a pixel); None with fewer than two."""
    pairs = [dice(a, b) for a, b in combinations(masks, 2)]
    return 1 - sum(pairs) / len(pairs) if pairs else None


def rank(workspace, layer="infection"):
    """Rows of cases.csv, most disputed first, those with fewer than two proposals last; written back."""
    rows = list(workspace.cases().values())
    for row in rows:
        value = disagreement(workspace.proposals(row["id"], layer).values())
        row["disagreement"] = "" if value is None else f"{value:.6f}"
    rows.sort(key=lambda r: (r["disagreement"] == "", -float(r["disagreement"] or 0), r["id"]))
    workspace.save_cases(rows)
    return rows


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("workspace")
    ap.add_argument("--layer", choices=["infection", "lung"], default="infection")
    ap.add_argument("--reader", help="leave out what this reader has decided")
    a = ap.parse_args()
    workspace = Workspace(a.workspace)
    decided = {d["id"] for d in workspace.decisions() if d["reader"] == a.reader and d["layer"] == a.layer}
    for row in rank(workspace, a.layer):
        if row["id"] not in decided:
            print(f"{row['disagreement'] or '-':8} {row['id']}  {row['file']}")


if __name__ == "__main__":
    main()
