"""Certificates for whoever hosts the link alone: an own authority, and a server certificate of it.

The terminal pins the server certificate by its thumbprint, or trusts the authority installed on
its machine. Elliptic keys (P-256): a thousand terminals that come back at once are a thousand
signatures, a tenth of a millisecond each.
"""

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from adapters.mt5.keys import write_private
from engine.errors import UserError

AUTHORITY_DAYS = 3650
_SHA256_DIGITS = 64
SERVER_DAYS = 825
"""Clients of some systems refuse server certificates that live longer."""


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where the certificates of a gateway lie."""

    directory: Path

    @property
    def authority(self) -> Path:
        """To be installed on the terminal's machine, where pinning does not do."""
        return self.directory / "ca.pem"

    @property
    def authority_key(self) -> Path:
        """Needed only to renew; may be kept elsewhere."""
        return self.directory / "ca.key"

    @property
    def server(self) -> Path:
        """The server certificate, then the authority's."""
        return self.directory / "server.pem"

    @property
    def server_key(self) -> Path:
        return self.directory / "server.key"


@dataclass(frozen=True, slots=True)
class Thumbprints:
    """Hashes of a certificate's DER form, upper-case hex without colons."""

    sha1: str
    """What Windows calls the thumbprint."""
    sha256: str


def make_certificates(directory: Path, hosts: Sequence[str], now: datetime) -> CertificateFiles:
    """Files of a new authority and a server certificate for these names or addresses.

    Raises:
        UserError: files are there already, or cannot be written; no host was named.
    """
    files = CertificateFiles(directory)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Tidegate link authority")
    certificate = (
        _started(name, name, key, now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    server, server_key = _server(certificate, key, hosts, now)
    for path in (files.authority, files.authority_key, files.server, files.server_key):
        if path.exists():
            raise UserError("there is one already", place=str(path), help="renew, or move it away")
    write_private(files.authority_key, _key_pem(key))
    write_private(files.server_key, _key_pem(server_key))
    write_private(files.server, _pem(server) + _pem(certificate))
    write_private(files.authority, _pem(certificate))
    return files


def renew_server_certificate(files: CertificateFiles, hosts: Sequence[str], now: datetime) -> None:
    """Replaces the server certificate by a new one of the same authority: a new thumbprint.

    Raises:
        UserError: the authority's files are missing or not what they should be.
    """
    try:
        authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
        key = serialization.load_pem_private_key(files.authority_key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise UserError("no authority to renew with", place=str(files.directory)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise UserError("not an authority made here", place=str(files.authority_key))
    server, server_key = _server(authority, key, hosts, now)
    for path in (files.server, files.server_key):
        path.unlink(missing_ok=True)
    write_private(files.server_key, _key_pem(server_key))
    write_private(files.server, _pem(server) + _pem(authority))


def thumbprints(certificate: Path) -> Thumbprints:
    """Of the first certificate in a PEM file.

    Raises:
        UserError: there is none.
    """
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError("no certificate", place=str(certificate)) from error
    # SHA-1 names the certificate the way Windows does; nothing rests on it being strong.
    sha1 = found.fingerprint(hashes.SHA1())  # noqa: S303
    return Thumbprints(sha1.hex().upper(), found.fingerprint(hashes.SHA256()).hex().upper())


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS of the listener: 1.2 or newer.

    Raises:
        UserError: the files are missing or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        help_text = "make them with `tidegate keys`"
        raise UserError("no usable certificate", place=str(certificate), help=help_text) from error
    return context


def client_context(authority: Path) -> ssl.SSLContext:
    """TLS of a terminal that trusts this authority alone, and checks the host's name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(authority)
    except (OSError, ssl.SSLError) as error:
        raise UserError("no usable authority", place=str(authority)) from error
    return context


def pinning_context() -> ssl.SSLContext:
    """TLS of a terminal that takes any certificate: it must compare the thumbprint by itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def pin_of(text: str) -> str:
    """A SHA-256 thumbprint as `thumbprint_of` writes it; colons and spaces do not matter.

    Raises:
        UserError: it is none.
    """
    digits = "".join(text.split()).replace(":", "").upper()
    if len(digits) != _SHA256_DIGITS or not set(digits) <= set("0123456789ABCDEF"):
        raise UserError(
            f"`{text}` is no SHA-256 thumbprint",
            help="64 hex digits, as `tidegate keys authority` prints them",
        )
    return digits


def thumbprint_of(certificate: bytes | None) -> str:
    """SHA-256 of a certificate in DER form, upper-case hex; empty where there is none."""
    return sha256(certificate).hexdigest().upper() if certificate else ""


def _server(
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    hosts: Sequence[str],
    now: datetime,
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    if not hosts:
        raise UserError("no host named", help="the names or addresses terminals connect to")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _started(_name(hosts[0]), authority.subject, key, now, SERVER_DAYS)
        .add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    return certificate, key


def _started(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    days: int,
) -> x509.CertificateBuilder:
    """Valid from a day ago: a terminal's clock may be behind."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
