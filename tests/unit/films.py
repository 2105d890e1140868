"""Synthesises film files for tests: every format and codec, from arrays whose values are known."""

from __future__ import annotations

import struct
import tempfile
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread, dcmwrite
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from model.images import Radiograph, read_radiograph

GDCM_SYNTAXES = {
    JPEGLossless: gdcm.TransferSyntax.JPEGLosslessProcess14,
    JPEGLosslessSV1: gdcm.TransferSyntax.JPEGLosslessProcess14_1,
    JPEGLSLossless: gdcm.TransferSyntax.JPEGLSLossless,
    JPEGLSNearLossless: gdcm.TransferSyntax.JPEGLSNearLossless,
}
AS_BY_PILLOW = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEG2000, JPEG2000Lossless)


def ramp(height: int = 40, width: int = 48, *, top: int = 255, dtype: str = "u1") -> NDArray[Any]:
    """Draw a picture in which all pixels differ, so that any turn, flip or crop shows."""
    rows, columns = np.mgrid[0:height, 0:width]
    drawn: NDArray[Any] = np.round((rows * width + columns) / (height * width - 1) * top).astype(dtype)
    return drawn


def smooth(height: int = 64, width: int = 80) -> NDArray[np.uint8]:
    """Draw a picture gentle enough to survive lossy coding within a few gray levels."""
    rows, columns = np.mgrid[0:height, 0:width]
    drawn: NDArray[np.uint8] = np.round(127 + 100 * np.sin(rows / 17) * np.cos(columns / 23)).astype(np.uint8)
    return drawn


def saved(array: NDArray[Any], name: str, *, mode: str = "", **options: Any) -> bytes:
    """Encode an array by Pillow."""
    file = BytesIO()
    image = Image.fromarray(array)
    if mode:
        image = image.convert(mode)
    image.save(file, name, **options)
    return file.getvalue()


def png(
    array: NDArray[Any],
    *,
    color_type: int,
    bits: int = 8,
    chunks: tuple[tuple[bytes, bytes], ...] = (),
    size: tuple[int, int] | None = None,
) -> bytes:
    """Write a PNG by hand: any color type and depth, extra chunks before the pixels, any stated size."""
    height, width = size or array.shape[:2]
    rows = array.astype(">u2" if bits == 16 else "u1")
    packed = [np.packbits(row).tobytes() if bits == 1 else row.tobytes() for row in rows]
    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in packed))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", body), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(name, data) for name, data in parts)


def png_chunk(name: bytes, data: bytes) -> bytes:
    """Frame one chunk with its length and check sum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def exif(orientation: int) -> bytes:
    """Write an EXIF block that holds an orientation and nothing else."""
    return b"MM\0*\0\0\0\x08" + b"\0\x01" + struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0) + bytes(4)


def tiff(
    array: NDArray[Any], *, photometric: int = 1, sample_format: int = 1, pages: int = 1, orientation: int = 1
) -> bytes:
    """Write an uncompressed little-endian TIFF by hand, of as many equal pages as asked for."""
    height, width = array.shape[:2]
    samples = array.shape[2] if array.ndim == 3 else 1
    pixels = array.astype(array.dtype.newbyteorder("<")).tobytes()
    pixels += bytes(len(pixels) % 2)
    depths = struct.pack(f"<{samples}H", *[8 * array.dtype.itemsize] * samples)
    start = 8
    blocks = [b"II*\0" + struct.pack("<I", start)]
    for page in range(pages):
        depths_at = start + 2 + 12 * 10 + 4
        pixels_at = depths_at + len(depths)
        tags = [
            (256, 4, 1, width),
            (257, 4, 1, height),
            (258, 3, samples, depths_at if samples > 2 else int.from_bytes(depths, "little")),
            (262, 3, 1, photometric),
            (273, 4, 1, pixels_at),
            (274, 3, 1, orientation),
            (277, 3, 1, samples),
            (278, 4, 1, height),
            (279, 4, 1, height * width * samples * array.dtype.itemsize),
            (339, 3, 1, sample_format),
        ]
        start = pixels_at + len(pixels)
        block = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        block += struct.pack("<I", start if page + 1 < pages else 0)
        blocks.append(block + depths + pixels)
    return b"".join(blocks)


def dataset_of(pixels: NDArray[Any], **elements: Any) -> Dataset:
    """Describe an image by a minimal data set; further elements are given by keyword, None removes one."""
    dataset = Dataset()
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["film"])
    color = pixels.ndim == 3 and pixels.shape[-1] == 3
    dataset.SamplesPerPixel = 3 if color else 1
    dataset.PhotometricInterpretation = "RGB" if color else "MONOCHROME2"
    if color:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = pixels.shape[-3:-1] if color else pixels.shape[-2:]
    if not color and pixels.ndim == 3:
        dataset.NumberOfFrames = len(pixels)
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored = dataset.BitsAllocated
    dataset.PixelRepresentation = int(np.issubdtype(pixels.dtype, np.signedinteger))
    for keyword, value in elements.items():
        if value is None:
            delattr(dataset, keyword)
        elif isinstance(value, DataElement):
            dataset.add(value)
        else:
            setattr(dataset, keyword, value)
    if "HighBit" not in elements:
        dataset.HighBit = dataset.BitsStored - 1
    return dataset


def dicom(
    pixels: NDArray[Any],
    *,
    syntax: UID = ExplicitVRLittleEndian,
    preamble: bool = True,
    pixel_data: bytes | None = None,
    **elements: Any,
) -> bytes:
    """Write these stored values as a DICOM file in any uncompressed syntax, RLE included.

    With `pixel_data` the picture is taken as encoded already.
    """
    dataset = dataset_of(pixels, **elements)
    native = syntax if not syntax.is_encapsulated else ExplicitVRLittleEndian
    if pixel_data is None or not syntax.is_encapsulated:
        stored = pixels.dtype.newbyteorder(">" if native == ExplicitVRBigEndian else "<")
        raw = pixels.astype(stored).tobytes() if pixel_data is None else pixel_data
        dataset.PixelData = raw + bytes(len(raw) % 2)
        dataset["PixelData"].VR = "OB" if dataset.BitsAllocated <= 8 and native != ImplicitVRLittleEndian else "OW"
    if syntax == RLELossless and pixel_data is None:
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = native
        dataset.compress(RLELossless, generate_instance_uid=False)
    elif syntax.is_encapsulated:
        dataset.PixelData = pixel_data
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    return written(dataset, syntax=syntax, preamble=preamble)


def written(dataset: Dataset, *, syntax: UID = ExplicitVRLittleEndian, preamble: bool = True) -> bytes:
    """Write a data set as a file, or bare from group 0008 on."""
    file = BytesIO()
    if not preamble:
        dataset.save_as(file, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
        return file.getvalue()
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", SecondaryCaptureImageStorage)
    meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "1.2.3")
    dataset.file_meta, dataset.preamble = meta, bytes(128)
    dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()


def jpeg_stream(pixels: NDArray[Any], *, quality: int = 95, **options: Any) -> bytes:
    """Encode a JPEG baseline codestream."""
    return saved(pixels, "JPEG", quality=quality, **options)


def jpeg2000_stream(pixels: NDArray[Any], *, lossless: bool = True) -> bytes:
    """Encode a bare JPEG 2000 codestream of the full depth of 8- or 16-bit values."""
    return saved(pixels, "JPEG2000", no_jp2=True, irreversible=not lossless)


def coded_dicom(pixels: NDArray[Any], syntax: UID, **elements: Any) -> bytes:
    """Write a DICOM whose pixels are compressed by Pillow or GDCM."""
    if syntax in (JPEGBaseline8Bit, JPEGExtended12Bit):
        stream = jpeg_stream(pixels)
        if syntax == JPEGExtended12Bit:
            stream = stream.replace(b"\xff\xc0", b"\xff\xc1", 1)
        if pixels.ndim == 3:
            elements = {"PhotometricInterpretation": "YBR_FULL_422", **elements}
        return dicom(pixels, syntax=syntax, pixel_data=encapsulate([stream]), **elements)
    if syntax in (JPEG2000, JPEG2000Lossless):
        stream = jpeg2000_stream(pixels, lossless=syntax == JPEG2000Lossless)
        if pixels.ndim == 3:
            kind = "YBR_RCT" if syntax == JPEG2000Lossless else "YBR_ICT"
            elements = {"PhotometricInterpretation": kind, **elements}
        return dicom(pixels, syntax=syntax, pixel_data=encapsulate([stream]), **elements)
    return by_gdcm(dicom(pixels, **elements), syntax)


def by_gdcm(data: bytes, syntax: UID) -> bytes:
    """Recode an uncompressed DICOM by GDCM."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source.dcm"), Path(folder, "target.dcm")
        source.write_bytes(data)
        reader = gdcm.ImageReader()
        reader.SetFileName(str(source))
        change = gdcm.ImageChangeTransferSyntax()
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(target))
        if not reader.Read():
            raise ValueError("GDCM cannot read the film")
        change.SetTransferSyntax(gdcm.TransferSyntax(GDCM_SYNTAXES[syntax]))
        change.SetInput(reader.GetImage())
        if not change.Change():
            raise ValueError("GDCM cannot encode the film")
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        if not writer.Write():
            raise ValueError("GDCM cannot write the film")
        coded = target.read_bytes()
    if dcmread(BytesIO(coded)).file_meta.TransferSyntaxUID != syntax:
        raise ValueError("GDCM chose another transfer syntax")
    return coded


def shown(data: bytes) -> NDArray[np.float32]:
    """Read a file and return the brightness the reader makes of it."""
    film: Radiograph = read_radiograph(data)
    return film.pixels
