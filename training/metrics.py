"""The paper's six metrics from counts of pixels or of images."""


def six(tp, fp, fn, tn):
    """Sensitivity, specificity, precision, F1, F2 and accuracy; None where nothing was there to be counted."""
    share = lambda a, b: float(a / b) if b else None
    return dict(sensitivity=share(tp, tp + fn), specificity=share(tn, tn + fp), precision=share(tp, tp + fp),
                f1=share(2 * tp, 2 * tp + fp + fn), f2=share(5 * tp, 5 * tp + fp + 4 * fn),
                accuracy=share(tp + tn, tp + fp + fn + tn))


def counts(found, true):
    """tp, fp, fn, tn of two boolean arrays."""
    return (int((found & true).sum()), int((found & ~true).sum()), int((~found & true).sum()), int((~found & ~true).sum()))
