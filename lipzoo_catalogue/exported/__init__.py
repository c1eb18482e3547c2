"""What an exported network carries with it, read back without Keras and without its runtime."""

from lipzoo_catalogue.exported.certificate import ExportedCertificate
from lipzoo_catalogue.exported.digest import AlteredFileError
from lipzoo_catalogue.exported.reading import exported_certificate

__all__ = ["AlteredFileError", "ExportedCertificate", "exported_certificate"]
