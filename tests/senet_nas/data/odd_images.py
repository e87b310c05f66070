"""Over 200 image files as scanners, phones and laboratories write them, each with its content or why it is refused."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, PngImagePlugin

SIDE = 16
# A ramp in both directions that is not symmetric, so that every turn and every scale shows.
RAMP = (np.add.outer(np.arange(SIDE) * 11, np.arange(SIDE) * 5)).astype(np.uint8)  # 0..240
COLOURS = np.stack([RAMP, RAMP[::-1], RAMP.T], axis=-1)


@dataclass(frozen=True)
class Odd:
    """``content`` of a file; ``grey`` what a reader of one channel must see, within ``tolerance`` levels; or
    ``refused``: a part of the reason. ``white`` is the white of its data set."""

    name: str
    content: bytes
    grey: np.ndarray | None = None
    tolerance: int = 0
    white: float = 255.0
    refused: str = ""


def written(image: Image.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def tiff(values: np.ndarray, *, order: str = "<", kind: int = 1, photometric: int = 1) -> bytes:
    """An uncompressed TIFF of one strip, in either byte order. ``kind``: 1 unsigned, 2 signed, 3 float."""
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    samples = 1 if values.ndim == 2 else values.shape[2]
    tags = [
        (256, 4, 1, values.shape[1]),
        (257, 4, 1, values.shape[0]),
        (258, 3, 1, values.dtype.itemsize * 8),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, 8),
        (277, 3, 1, samples),
        (278, 4, 1, values.shape[0]),
        (279, 4, 1, len(data)),
        (339, 3, 1, kind),
    ]
    short = {"<": "<HHIHH", ">": ">HHIHH"}[order]
    entries = [
        struct.pack(short, tag, typ, count, value, 0)
        if typ == 3
        else struct.pack(f"{order}HHII", tag, typ, count, value)
        for tag, typ, count, value in tags
    ]
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(data))
    return head + data + struct.pack(f"{order}H", len(tags)) + b"".join(entries) + struct.pack(f"{order}I", 0)


def luma(colours: np.ndarray) -> np.ndarray:
    """Grey of RGB by ITU-R 601, as Pillow rounds it (within 1)."""
    return np.rint(colours @ [0.299, 0.587, 0.114]).astype(np.uint8)


def scaled(values: np.ndarray, white: float) -> np.ndarray:
    return np.rint(values * 255.0 / white).astype(np.uint8)


def bytes_per_value() -> Iterator[Odd]:
    """Every mode of one byte, in every format that holds it without loss."""
    grey, colour = Image.fromarray(RAMP), Image.fromarray(COLOURS)
    opaque, half = Image.new("L", (SIDE, SIDE), 255), Image.new("L", (SIDE, SIDE), 128)
    lossless = {"PNG": {}, "TIFF": {}, "BMP": {}, "WEBP": {"lossless": True}, "PPM": {}, "TGA": {}, "GIF": {}}
    for form, options in lossless.items():
        yield Odd(f"L {form}", written(grey, form, **options), RAMP, 2 if form == "WEBP" else 0)
        if form != "GIF":
            yield Odd(f"RGB {form}", written(colour, form, **options), luma(COLOURS), 1)
    for form in ("TIFF", "PNG", "BMP"):
        yield Odd(f"1 {form}", written(grey.point(lambda v: 255 * (v > 99)).convert("1"), form), 255 * (RAMP > 99))
    for compression in ("tiff_lzw", "tiff_deflate", "packbits"):
        yield Odd(f"L TIFF {compression}", written(grey, "TIFF", compression=compression), RAMP)
    for alpha, name in ((opaque, "opaque"), (half, "half")):
        la, rgba = Image.merge("LA", (grey, alpha)), Image.merge("RGBA", (*colour.split(), alpha))
        for form in ("PNG", "TIFF", "TGA"):
            yield Odd(f"LA {form} {name}", written(la, form), RAMP)
            yield Odd(f"RGBA {form} {name}", written(rgba, form), luma(COLOURS), 1)
    palette = grey.convert("P")
    for form in ("PNG", "TIFF", "GIF", "BMP"):
        yield Odd(f"P {form}", written(palette, form), RAMP, 1)
    yield Odd("P PNG with transparency", written(palette, "PNG", transparency=0), RAMP, 1)
    yield Odd("PA TIFF", written(palette.convert("PA"), "TIFF"), RAMP, 1)
    yield Odd("CMYK TIFF", written(colour.convert("CMYK"), "TIFF"), luma(COLOURS), 1)
    yield Odd("YCbCr TIFF", written(colour.convert("YCbCr"), "TIFF"), luma(COLOURS), 2)
    yield Odd("LAB TIFF", written(Image.new("LAB", (SIDE, SIDE)), "TIFF"), refused="LAB")
    for quality in (60, 90, 100):
        for progressive in (False, True):
            content = written(grey, "JPEG", quality=quality, progressive=progressive)
            yield Odd(f"L JPEG {quality}{' progressive' * progressive}", content, RAMP, 14)
    yield Odd("CMYK JPEG", written(Image.merge("RGB", (grey,) * 3).convert("CMYK"), "JPEG", quality=100), RAMP, 6)
    yield Odd("L PNG optimized", written(grey, "PNG", optimize=True), RAMP)
    yield Odd("L PNG uncompressed", written(grey, "PNG", compress_level=0), RAMP)
    yield Odd("L JPEG2000", written(grey, "JPEG2000", irreversible=False), RAMP)


def deep() -> Iterator[Odd]:
    """Grey levels of more than 8 bits, in either byte order, signed and float."""
    for bits in (10, 12, 14, 16):
        white = 2.0**bits - 1
        levels = np.rint(RAMP / 255 * white)
        words = levels.astype(np.uint16)
        for form in ("PNG", "TIFF", "JPEG2000"):
            yield Odd(f"{bits} bit {form}", written(Image.fromarray(words), form), scaled(words, white), 0, white)
        for order in "<>":
            yield Odd(f"{bits} bit TIFF {order}", tiff(words, order=order), scaled(words, white), 0, white)
            signed = levels.astype(np.int16 if bits < 16 else np.int32)
            yield Odd(f"{bits} bit signed {order}", tiff(signed, order=order, kind=2), scaled(signed, white), 0, white)
            for kind in (np.int32, np.float32):
                code = 2 if kind is np.int32 else 3
                content = tiff(levels.astype(kind), order=order, kind=code)
                yield Odd(f"{bits} bit as {kind.__name__} {order}", content, scaled(levels, white), 0, white)
    shares = RAMP / 255
    for order in "<>":
        yield Odd(f"shares {order}", tiff(shares.astype(np.float32), order=order, kind=3), RAMP, 0, 1.0)
        # Pillow does not open TIFF files of 64-bit floats: refused, like any file that is no image.
        yield Odd(f"shares as float64 {order}", tiff(shares, order=order, kind=3), refused=" ", white=1.0)
        for name, value, why in (("NaN", np.nan, "NaN"), ("inf", np.inf, "infinite"), ("-1", -1.0, "negative")):
            broken = shares.astype(np.float32)
            broken[3, 4] = value
            yield Odd(f"{name} {order}", tiff(broken, order=order, kind=3), refused=why, white=1.0)
        below = RAMP.astype(np.int16) - 100
        yield Odd(f"negative int16 {order}", tiff(below, order=order, kind=2), refused="negative")
        yield Odd(f"negative int32 {order}", tiff(below.astype(np.int32), order=order, kind=2), refused="negative")
        bright = (RAMP.astype(np.uint16) * 257)[:, ::-1]
        yield Odd(f"above white {order}", tiff(bright, order=order), refused="above the white", white=4095.0)
    flat = np.full((SIDE, SIDE), 30_000, np.uint16)
    yield Odd("constant 30000", tiff(flat), scaled(flat, 65535), 0, 65535.0)
    yield Odd("constant 9000", tiff(flat // 10 * 3), scaled(flat // 10 * 3, 65535), 0, 65535.0)
    yield Odd("all black", tiff(flat * 0), flat * 0, 0, 65535.0)
    yield Odd("deep white", tiff(flat * 0 + 65535), flat * 0 + 255, 0, 65535.0)


def otherwise_stored() -> Iterator[Odd]:
    """What Pillow reads as other numbers than are stored: upper bytes only, without a sign, not inverted."""
    words = COLOURS.astype(np.uint16) * 4
    dim = Image.fromarray(RAMP).convert("RGB")
    yield Odd("16 bit RGB PNG", png16(words, 2), refused="16 bits per colour, of which Pillow reads the upper 8")
    alpha = np.full_like(words[..., :1], 65535)
    yield Odd("16 bit RGBA PNG", png16(np.concatenate([words, alpha], -1), 6), refused="16 bits per colour")
    yield Odd("16 bit LA PNG", png16(np.concatenate([words[..., :1], alpha], -1), 4), refused="without transparency")
    yield Odd("16 bit grey PNG of our own", png16(RAMP[..., None].astype(np.uint16) * 257, 0), RAMP, 0, 65535.0)
    head = b"P6 %d %d " % (SIDE, SIDE)
    for white in (1023, 65535):
        content = head + b"%d\n" % white + words.astype(">u2").tobytes()
        yield Odd(f"PPM up to {white}", content, refused=f"colours up to {white:,}, of which Pillow keeps 8 bits")
    yield Odd("PPM up to 255", head + b"255\n" + dim.tobytes(), RAMP)
    levels = RAMP // 2
    yield Odd("signed 8 bit TIFF", tiff(levels.astype(np.int8), kind=2), levels)
    below = levels.astype(np.int8) - np.int8(100)
    yield Odd("negative int8", tiff(below, kind=2), refused="negative values, down to -100")
    yield Odd("8 bit WhiteIsZero", tiff(255 - RAMP, photometric=0), RAMP)
    for order in "<>":
        inverted = tiff(65535 - RAMP.astype(np.uint16) * 257, order=order, photometric=0)
        # Pillow opens this form in one byte order only.
        yield Odd(f"16 bit WhiteIsZero {order}", inverted, refused={"<": "WhiteIsZero", ">": " "}[order])
    large = np.rint(RAMP / 255 * (2.0**32 - 1)).astype(np.uint32)
    yield Odd("uint32 above 2^31", tiff(large), scaled(large, 2.0**32 - 1), 0, 2.0**32 - 1)
    unsaid = tiff(large).replace(struct.pack("<HHIHH", 339, 3, 1, 1, 0), struct.pack("<HHIHH", 65000, 3, 1, 1, 0))
    yield Odd("32 bit without a sign", unsaid, refused="tag SampleFormat is missing")


def png16(words: np.ndarray, colour: int) -> bytes:
    """A PNG of 16 bits per value; ``colour`` is its colour type."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in words)
    head = struct.pack(">IIBBBBB", words.shape[1], words.shape[0], 16, colour, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda x: x, 2: np.fliplr, 3: lambda x: np.rot90(x, 2), 4: np.flipud, 5: np.transpose,
    6: lambda x: np.rot90(x, 1), 7: lambda x: np.rot90(x.T, 2), 8: lambda x: np.rot90(x, -1),
}  # fmt: skip


def metadata() -> Iterator[Odd]:
    """How the camera was held, and metadata that no reader should stumble over."""
    for orientation, stored_as in TURNS.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = Image.fromarray(np.ascontiguousarray(stored_as(RAMP)))
        for form, options, tolerance in (
            ("PNG", {}, 0),
            ("WEBP", {"lossless": True}, 2),
            ("JPEG", {"quality": 100}, 4),
        ):
            content = written(stored, form, exif=exif.tobytes(), **options)
            yield Odd(f"orientation {orientation} {form}", content, RAMP, tolerance)
    grey = Image.fromarray(RAMP)
    odd_tags = {
        "text for a number": (0x0112, b"\x02\x00", b"abc\0"),
        "an unknown type": (0x9999, b"\x63\x00", b"\0\0\0\0"),
        "a date": (0x0132, b"\x02\x00", b"xx\0\0"),
        "a rational beyond the end": (0x011A, b"\x05\x00", b"\xff\xff\0\0"),
        "orientation 0": (0x0112, b"\x03\x00", b"\0\0\0\0"),
        "orientation 99": (0x0112, b"\x03\x00", b"\x63\0\0\0"),
    }
    for name, (tag, kind, value) in odd_tags.items():
        entry = struct.pack("<H", tag) + kind + struct.pack("<I", 1) + value
        block = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + entry + b"\0\0\0\0"
        yield Odd(f"EXIF with {name}", written(grey, "JPEG", quality=100, exif=block), RAMP, 4)
    for name, block in (
        ("empty", b"Exif\0\0"),
        ("noise", b"Exif\0\0" + bytes(range(200))),
        ("cut", b"Exif\0\0II*\0\x08"),
    ):
        yield Odd(f"EXIF {name} JPEG", written(grey, "JPEG", quality=100, exif=block), RAMP, 4)
        yield Odd(f"EXIF {name} PNG", written(grey, "PNG", exif=block[6:] or b"\0"), RAMP)
    yield Odd("ICC noise", written(grey, "PNG", icc_profile=bytes(range(256))), RAMP)
    yield Odd("resolution 0", written(grey, "JPEG", quality=100, dpi=(0, 0)), RAMP, 4)
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", "x" * 50_000, zip=True)
    yield Odd("50 kB of text", written(grey, "PNG", pnginfo=notes), RAMP)
    pages = [Image.fromarray(RAMP[::-1]), Image.fromarray(RAMP.T)]
    yield Odd("pages TIFF", written(grey, "TIFF", save_all=True, append_images=pages), RAMP)
    yield Odd("animated GIF", written(grey, "GIF", save_all=True, append_images=pages), RAMP)
    yield Odd("animated WEBP", written(grey, "WEBP", lossless=True, save_all=True, append_images=pages), RAMP, 2)


def sizes() -> Iterator[Odd]:
    """From a single pixel to a strip: the centre is what remains."""
    for width, height in ((1, 1), (1, 400), (400, 1), (2, 3), (3, 2), (17, 16), (5, 999), (64, 64)):
        for form in ("PNG", "TIFF", "BMP", "PPM"):
            flat = Image.new("L", (width, height), 77)
            yield Odd(f"{width} x {height} {form}", written(flat, form), np.full((SIDE, SIDE), 77, np.uint8))
    wide = np.zeros((SIDE, 3 * SIDE), np.uint8)
    wide[:, SIDE : 2 * SIDE] = RAMP
    yield Odd("the centre of a wide one", written(Image.fromarray(wide), "PNG"), RAMP)
    yield Odd("the centre of a tall one", written(Image.fromarray(wide.T), "PNG"), RAMP.T)


def damaged() -> Iterator[Odd]:
    """No images, or not whole ones."""
    png, jpeg, gif = (written(Image.fromarray(RAMP), form) for form in ("PNG", "JPEG", "GIF"))
    # A flipped byte inside the compressed pixels: the checksum of the chunk tells.
    flipped = bytearray(png)
    flipped[png.index(b"IDAT") + 12] ^= 0xFF
    for name, content in {
        "nothing": b"",
        "one byte": b"x",
        "text": b"not an image\n" * 40,
        "a page": b"<html><body>404</body></html>",
        "zeros": bytes(500),
        "PNG head alone": png[:33],
        "half a PNG": png[: len(png) // 2],
        "PNG flipped": bytes(flipped),
        "JPEG head alone": jpeg[:20],
        "half a JPEG": jpeg[: len(jpeg) // 2],
        "GIF head alone": gif[:12],
        "half a TIFF": tiff(RAMP)[:150],
        "TIFF head alone": tiff(RAMP)[:8],
        "TIFF with a lie": b"II*\0" + b"\xff" * 60,
        "compressed text": zlib.compress(b"text" * 99),
        "BMP head alone": written(Image.fromarray(RAMP), "BMP")[:30],
    }.items():
        yield Odd(f"damaged: {name}", content, refused=" ")


ODD = [*bytes_per_value(), *deep(), *otherwise_stored(), *metadata(), *sizes(), *damaged()]
