"""What a parallel beam sees alike in mirror images."""

# Mirror images pay where hardly more projections are computed than are asked for.
_MOST_SLOTS = 1.25


def stored_angles(shape: tuple[int, int], degrees, pixel: bool) -> int:
    """How many angles a `ParallelBeam` has entries of; the other ones are seen in mirror images.

    >>> stored_angles((9, 9), range(0, 180, 9), False), stored_angles((9, 8), [20.0, 40.0], False)
    (6, 2)
    """
    return len(views(padded(shape, pixel), degrees)[0])


def padded(shape, pixel):
    """The shape of which the scanner turns about the centre: about a pixel, one of odd sides.

    >>> padded((4, 5), True), padded((4, 5), False)
    ((5, 5), (4, 5))
    """
    return tuple(n + (1 - n % 2 if pixel else 0) for n in shape)


def views(shape, degrees):
    """Angles of the matrix, mirror images, and which of both make each projection."""
    found = [_reduced(angle, shape[0] == shape[1]) for angle in degrees]
    seen = list({round(angle, 10): angle for angle, _ in found}.values())
    mirrors = sorted({mirror for _, mirror in found})
    place = {round(angle, 10): index for index, angle in enumerate(seen)}
    slots = [mirrors.index(m) * len(seen) + place[round(angle, 10)] for angle, m in found]
    total = len(seen) * len(mirrors)
    if total > _MOST_SLOTS * len(slots) or len(set(slots)) < len(slots):
        return list(degrees), [(False, False, False)], range(len(found))
    return seen, mirrors, slots


def _reduced(angle, square):
    """An angle from 0 to 90 or 45 degrees, and the mirror images that are seen from there alike.

    Returns:
        The angle, and whether the image is turned by 180 degrees, mirrored left to right, and
        transposed about the other diagonal, in this order.
    """
    angle = angle % 360.0
    turned = angle >= 180.0
    angle -= 180.0 * turned
    flipped = angle > 90.0
    angle = 180.0 - angle if flipped else angle
    transposed = square and angle > 45.0
    return 90.0 - angle if transposed else angle, (turned, flipped, transposed)


def mirrored(images, mirror, xp, back=False):
    """Mirror images on the last two axes; `back` undoes it."""
    turned, flipped, transposed = mirror

    def turn(x):
        return xp.flip(xp.flip(x, axis=-1), axis=-2)

    steps = [
        (turned, turn),
        (flipped, lambda x: xp.flip(x, axis=-1)),
        (transposed, lambda x: turn(xp.swapaxes(x, -2, -1))),
    ]
    for wanted, step in reversed(steps) if back else steps:
        images = step(images) if wanted else images
    return images
