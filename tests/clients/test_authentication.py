"""Who may connect, and how they show who they are: passwords, certificates, rules, limits."""

import datetime
import ipaddress
import socket
import ssl
import struct
import subprocess
import time

import adbc_driver_flightsql.dbapi
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from arbalest import Server, binary

PASSWORD = "correct horse"


def connect(server, user, password=None, **options):
    return psycopg.connect(
        host=server.host, port=server.postgres_port, dbname="arbalest", user=user, password=password, autocommit=True, **options
    )


def refusal(server, user, password=None, **options):
    with pytest.raises(psycopg.OperationalError) as error:
        connect(server, user, password, **options)
    return str(error.value)


class Authority:
    """Issues certificates, as files in a directory."""

    def __init__(self, directory, name):
        self.directory, self.name = directory, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._certificate(self.name, self.key, True)
        self.path = directory / f"{name}.crt"
        self.path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _certificate(self, name, key, is_authority):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self.name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, common_name, certificate, key):
        own = ec.generate_private_key(ec.SECP256R1())
        made = self._certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]), own, False)
        key.write_bytes(
            own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        key.chmod(0o600)
        certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        return made


@pytest.fixture
def passwords(tmp_path):
    path = tmp_path / "passwords"
    path.write_text(f"# who may connect\nadmin:{PASSWORD}\n")
    path.chmod(0o600)
    return path


def test_passwords_are_checked_on_every_port(passwords):
    with Server("--password-file", passwords) as server:
        with connect(server, "admin", PASSWORD) as connection:
            assert connection.execute("select current_user").fetchone() == ("admin",)
            connection.execute("create role ann login password 'Über'")
            connection.execute("create role old login password 'old' valid until '2020-01-01'")
            connection.execute("create role nobody nologin password 'x'")
        with connect(server, "ann", "Über") as connection:
            assert connection.execute("select session_user").fetchone() == ("ann",)
        for user, password in [("admin", "wrong"), ("admin", ""), ("ann", "uber"), ("eve", "x"), ("old", "old")]:
            assert f'password authentication failed for user "{user}"' in refusal(server, user, password or "?")
        assert 'role "nobody" is not permitted to log in' in refusal(server, "nobody", "x")

        # What was changed holds at once.
        with connect(server, "admin", PASSWORD) as connection:
            connection.execute("alter role ann password 'other'")
        refusal(server, "ann", "Über")
        connect(server, "ann", "other").close()

        def flight(**credentials):
            with adbc_driver_flightsql.dbapi.connect(server.flight_uri, db_kwargs=credentials) as connection:
                with connection.cursor() as cursor:
                    cursor.execute("select 1")
                    return cursor.fetchone()[0]

        assert flight(username="admin", password=PASSWORD) == 1
        for credentials in [{"username": "admin", "password": "wrong"}, {}]:
            with pytest.raises(Exception, match="(?i)unauthenticated|password authentication failed"):
                flight(**credentials)


def test_rules_decide_and_are_read_again(tmp_path, passwords):
    rules = tmp_path / "rules"
    rules.write_text("host all eve all reject\nhost other all all trust\nhost all admin 127.0.0.1/32 scram-sha-256\n")
    with Server("--host-rules", rules, "--password-file", passwords) as server:
        connect(server, "admin", PASSWORD).close()
        assert 'a rule rejects user "eve"' in refusal(server, "eve", "x")
        assert 'no rule lets user "bob" connect to database "arbalest" from 127.0.0.1, no encryption' in refusal(server, "bob")
        rules.write_text("host all all 127.0.0.1/32 trust\n")
        time.sleep(1.1)
        connect(server, "bob").close()
        # What cannot be read changes nothing.
        rules.write_text("host nonsense\n")
        time.sleep(1.1)
        connect(server, "bob").close()
        assert "cannot be read" in server.log()


def test_clear_passwords_are_taken(tmp_path, passwords):
    rules = tmp_path / "rules"
    rules.write_text("host all all localhost password\n")
    with Server("--host-rules", rules, "--password-file", passwords) as server:
        connect(server, "admin", PASSWORD).close()
        assert "password authentication failed" in refusal(server, "admin", "wrong")


def test_connections_are_encrypted(tmp_path, passwords):
    authority = Authority(tmp_path, "authority")
    certificate, key = tmp_path / "server.crt", tmp_path / "server.key"
    first = authority.issue("localhost", certificate, key)
    files = ["--tls-cert", certificate, "--tls-key", key]
    verified = {"sslmode": "verify-full", "sslrootcert": str(authority.path)}
    with Server("--password-file", passwords, *files) as server:
        with connect(server, "admin", PASSWORD, **verified, channel_binding="require") as connection:
            assert connection.pgconn.ssl_in_use
            assert connection.execute("select sum(i) from generate_series(1, 100000) as t(i)").fetchone()[0] == 5000050000
        connect(server, "admin", PASSWORD, **verified, sslnegotiation="direct").close()
        connect(server, "admin", PASSWORD, sslmode="disable").close()
        for options in [{"sslmode": "disable"}, verified, {**verified, "sslnegotiation": "direct"}]:
            assert "password authentication failed" in refusal(server, "admin", "wrong", **options)
        other = Authority(tmp_path, "other")
        assert "certificate verify failed" in refusal(server, "admin", PASSWORD, sslmode="verify-full", sslrootcert=str(other.path))

        # A new certificate is shown without a restart; connections that there are go on.
        with connect(server, "admin", PASSWORD, **verified) as before:
            second = authority.issue("localhost", certificate, key)
            time.sleep(1.1)
            shown = ssl.PEM_cert_to_DER_cert(certificate_of(server))
            assert shown == second.public_bytes(serialization.Encoding.DER) != first.public_bytes(serialization.Encoding.DER)
            assert before.execute("select 1").fetchone() == (1,)
            connect(server, "admin", PASSWORD, **verified, channel_binding="require").close()

        # What was sent before the handshake is not taken for what comes after it.
        with socket.create_connection((server.host, server.postgres_port)) as client:
            client.sendall(struct.pack("!ii", 8, 80877103) + b"Q\0\0\0\x0dselect 1\0")
            answer = client.recv(1000)
            assert answer[:1] == b"E" and b"received unencrypted data after SSL request" in answer
            assert client.recv(1000) == b""


def certificate_of(server):
    """What the server shows after an SSLRequest."""
    with socket.create_connection((server.host, server.postgres_port)) as client:
        client.sendall(struct.pack("!ii", 8, 80877103))
        assert client.recv(1) == b"S"
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(client) as encrypted:
            return ssl.DER_cert_to_PEM_cert(encrypted.getpeercert(binary_form=True))


def test_certificates_of_clients(tmp_path):
    authority = Authority(tmp_path, "authority")
    certificate, key = tmp_path / "server.crt", tmp_path / "server.key"
    authority.issue("localhost", certificate, key)
    rules = tmp_path / "rules"
    rules.write_text("hostssl all mapped all cert map=ann:mapped\nhostssl all all all cert\n")
    arguments = ["--tls-cert", certificate, "--tls-key", key, "--tls-client-ca", authority.path, "--host-rules", rules]
    with Server(*arguments) as server:
        own, own_key = tmp_path / "ann.crt", tmp_path / "ann.key"
        authority.issue("ann", own, own_key)
        shown = {"sslmode": "verify-full", "sslrootcert": str(authority.path), "sslcert": str(own), "sslkey": str(own_key)}
        for user in ["ann", "mapped"]:
            with connect(server, user, **shown) as connection:
                assert connection.execute("select current_user").fetchone() == (user,)
        assert 'certificate authentication failed for user "bob"' in refusal(server, "bob", **shown)
        assert "requires a valid client certificate" in refusal(server, "ann", sslmode="require", sslcert="", sslkey="")
        assert "no rule lets user" in refusal(server, "ann", sslmode="disable")
        stranger = Authority(tmp_path, "stranger")
        stranger.issue("ann", own, own_key)
        refusal(server, "ann", **shown)


def test_places_are_limited(passwords):
    limits = ["--postgres-connections-max", "3", "--postgres-connections-reserved", "1"]
    with Server("--password-file", passwords, *limits) as server:
        with connect(server, "admin", PASSWORD) as connection:
            connection.execute("create role ann login password 'ann'")
            with connect(server, "ann", "ann"):
                assert "reserved for non-replication superuser" in refusal(server, "ann", "ann")
                with connect(server, "admin", PASSWORD):
                    assert "too many clients already" in refusal(server, "admin", PASSWORD)
    with Server("--postgres-connections-per-address", "1") as server:
        with connect(server, "ann"):
            assert "too many connections from 127.0.0.1" in refusal(server, "bob")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--listen", "0.0.0.0"], "clients are not authenticated"),
        (["--listen", "0.0.0.0", "--authentication", "trust"], "clients are not authenticated"),
        (["--listen", "0.0.0.0", "--authentication", "scram-sha-256"], "could be read by others"),
        (["--tls-cert", "nowhere.crt", "--tls-key", "nowhere.key"], "nowhere.crt"),
        (["--host-rules", "nowhere"], "nowhere"),
        (["--tls-cert", "nowhere.crt"], "--tls-key"),
    ],
)
def test_what_is_not_safe_does_not_start(tmp_path, arguments, reason):
    ports = ["--postgres-port", "0", "--flight-port", "0", "--web-port", "off", "--data-dir", str(tmp_path / "data")]
    ended = subprocess.run([binary(), "serve", *ports, *arguments], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2 and reason in ended.stderr, ended.stderr
    assert ended.stdout == ""
