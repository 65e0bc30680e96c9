"""A reader's decision on one mask: `python -m training.accept WORKSPACE --id ID --reader NAME --layer infection --seconds 40 ...`.

`--proposal MODEL` takes a network's mask as it is, with `--mask FILE` as edited; `--mask FILE` alone was drawn by hand.
The mask is written whole or not at all, the decision is appended to the journal, and nobody else's mask is touched.
"""
import argparse
import datetime
import json

from .workspace import Refused, Workspace, read


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("workspace")
    ap.add_argument("--id", required=True)
    ap.add_argument("--reader", required=True)
    ap.add_argument("--layer", choices=["infection", "lung"], required=True)
    ap.add_argument("--proposal", metavar="MODEL", help="first eight digits of the model's SHA-256")
    ap.add_argument("--mask", metavar="FILE", help="PNG of the radiograph's size")
    ap.add_argument("--seconds", type=float, required=True, help="time that the reader spent")
    a = ap.parse_args()
    if not (a.proposal or a.mask):
        ap.error("--proposal, --mask or both")
    workspace = Workspace(a.workspace)
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        mask = read(a.mask) if a.mask else workspace.proposals(a.id, a.layer).get(a.proposal)
        if mask is None:
            raise Refused(f"model {a.proposal} has proposed no {a.layer} for {a.id}")
        decision = workspace.decide(case=a.id, reader=a.reader, layer=a.layer, source=a.proposal or "hand", mask=mask,
                                    seconds=a.seconds, time=now)
    except Refused as e:
        raise SystemExit(f"refused: {e}") from None
    print(json.dumps(decision))


if __name__ == "__main__":
    main()
