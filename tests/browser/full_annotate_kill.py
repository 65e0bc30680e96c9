"""Long: `bash tests/full annotate_kill`."""

from killing import edit_under_fire


def test_killed_again_and_again(tmp_path):
    strokes, survived = edit_under_fire(tmp_path, kills=200)
    print(f"200 kills: {strokes} strokes acknowledged, all of them there; {survived} in flight survived too")
    assert strokes > 200
