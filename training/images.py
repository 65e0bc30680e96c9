"""Radiographs decoded once, drawn in shuffled order for ever, and their augmented views: one mask an image at most."""
import torch

from . import augment, catalog

SIDE = 256      # images wait in memory a little larger than the networks' input


class Images:
    def __init__(self, data, rows, masked=False):
        self.rows, self.queue = rows, []
        self.x = torch.empty(len(rows), 1, SIDE, SIDE, dtype=torch.uint8)
        self.y = torch.zeros(len(rows), 1, SIDE, SIDE, dtype=torch.bool) if masked else None
        for i, r in enumerate(rows):
            self.x[i, 0] = torch.from_numpy(catalog.image(data, r, SIDE).copy())
            if masked and r.outlined:
                self.y[i, 0] = torch.from_numpy(catalog.mask(data, r, "infection", SIDE) > 0)

    def draw(self, n, rng):
        """Grey values 0..1 and masks, (n,1,SIDE,SIDE) each."""
        picked = []
        while len(picked) < n:
            if not self.queue:
                self.queue = torch.randperm(len(self.rows), generator=rng).tolist()
            picked.append(self.queue.pop())
        x = self.x[picked].float() / 255
        return x, self.y[picked].float() if self.y is not None else torch.zeros_like(x)


def draw(parts, side, rng):
    """A batch of augmented, standardised views: `parts` are pairs (Images, how many)."""
    x, y = (torch.cat(z) for z in zip(*(images.draw(n, rng) for images, n in parts)))
    # The augmentation turns five masks of a radiograph; here all are one.
    x, y, _, _ = augment.geometry(x, y.repeat(1, 5, 1, 1), y, side, rng)
    return augment.standardise(augment.grey(x, rng)), y[:, :1]


def prepared(data, row, side):
    """One image as the network sees it in use: (1,1,side,side), standardised."""
    x = torch.from_numpy(catalog.image(data, row, side).copy()).float() / 255
    return augment.standardise(x[None, None])
