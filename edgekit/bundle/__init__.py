"""The ``.edge`` bundle: model files with their manifest, recorded samples, digests and signature."""

from edgekit.bundle.binding import Binding, Quantization
from edgekit.bundle.bundle import Bundle
from edgekit.bundle.digest import FileDigest, ModelDigest, measure
from edgekit.bundle.golden import write_golden
from edgekit.bundle.manifest import Artifact, Manifest, utc_now
from edgekit.bundle.write import check_output, write_bundle

__all__ = [
    "Artifact",
    "Binding",
    "Bundle",
    "FileDigest",
    "Manifest",
    "ModelDigest",
    "Quantization",
    "check_output",
    "measure",
    "utc_now",
    "write_bundle",
    "write_golden",
]
