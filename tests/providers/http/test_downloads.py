from __future__ import annotations

import pytest
from aiohttp import web

from domain.provider_errors import DownloadExpired, DownloadRefused, ProviderDown
from providers.http.downloads import Downloads
from providers.http.transport import HttpTransport
from tests.support.stub_server import in_sequence, stub_server


async def test_a_file_is_downloaded_without_a_token_and_only_its_end_is_kept_in_memory() -> None:
    content = b"".join(b"line %06d\n" % number for number in range(100_000))
    async with HttpTransport() as http, stub_server(in_sequence(web.Response(body=content))) as server:
        downloads = Downloads(http, api_url=server.url, hosts=())
        tail = await downloads.tail(f"{server.url}/log?X-Amz-Signature=abc", 1000)
    assert tail.content == content[-1000:]
    assert not tail.whole
    [request] = server.requests
    assert "Authorization" not in request.headers
    assert "Cookie" not in request.headers
    assert request.query == {"X-Amz-Signature": "abc"}


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://api.example.com/file", True),
        ("https://bitrise-build-log-archives-production.s3.amazonaws.com/x", True),
        ("https://bitrise-prod-build-storage.s3.us-east-1.amazonaws.com/x", True),
        ("https://storage.googleapis.com/bitrise-build-log-archives-production/x", True),
        ("https://files.example.org/x", True),
        ("https://storage.googleapis.com/somebody-elses/x", False),
        ("https://evil-bitrise-x.example/x", False),
        ("https://bitrise-x.s3.amazonaws.com.evil.example/x", False),
        ("https://user:pw@api.example.com/x", False),
        ("http://api.example.com/x", False),
        ("HTTPS://API.EXAMPLE.COM/x", True),
        ("https://api.example.com:8443/x", False),
        ("https://api.example.com:22/x", False),
        ("https://files.example.org:8443/x", False),
        ("https://other.example.org:8443/x", True),
        ("https://other.example.org/x", False),
        ("https://api.example.com./x", False),
        ("https://api.example.com@evil.example/x", False),
        ("https://@api.example.com/x", False),
        ("https://evil.example\\@api.example.com/x", False),
        ("https://bitrise-x.evil.example\\.s3.amazonaws.com/x", False),
        ("https://bitrise-x.s3.evil.example/.s3.amazonaws.com", False),
        ("https://bitrise-x.us-east-1.elb.amazonaws.com/x", False),
        ("https://bitrise-x.s3.us-east-1.elb.amazonaws.com/x", False),
        ("https://bitrise-x.s3.dualstack.us-east-1.amazonaws.com/x", True),
        ("http://bitrise-build-log-archives-production.s3.amazonaws.com/x", False),
        ("https://storage.googleapis.com/bitrise-x/../somebody-elses/x", False),
        ("https://storage.googleapis.com/bitrise-x/%2e%2e/somebody-elses/x", False),
        ("https://storage.googleapis.com:8080/bitrise-x/x", False),
        ("https://xn--pi-6kc.example.com/x", False),
        ("https://аpi.example.com/x", False),
        ("https://2130706433/x", False),
        ("https://0x7f000001/x", False),
        ("https://127.1/x", False),
        ("https://[::ffff:127.0.0.1]/x", False),
        ("https://api.example.com\n@evil.example/x", False),
        ("file:///etc/passwd", False),
        ("http://169.254.169.254/latest/meta-data", False),
        ("https://[::1/x", False),
        ("", False),
    ],
)
async def test_files_are_downloaded_from_known_hosts_only(url: str, allowed: bool) -> None:
    async with HttpTransport() as http:
        hosts = ("files.example.org", "other.example.org:8443")
        downloads = Downloads(http, api_url="https://api.example.com/v0.1", hosts=hosts)
        assert downloads.may_fetch(url) is allowed
        if not allowed:
            with pytest.raises(DownloadRefused):
                await downloads.tail(url, 10)


async def test_a_redirect_is_followed_to_known_hosts_only() -> None:
    async with HttpTransport() as http, stub_server(in_sequence(web.Response(body=b"here"))) as files:
        to_files = web.Response(status=302, headers={"Location": f"{files.url}/file"})
        to_unknown_host = web.Response(status=302, headers={"Location": "http://evil.example/file"})
        async with stub_server(in_sequence(to_files, to_unknown_host)) as server:
            downloads = Downloads(http, api_url=server.url, hosts=())
            assert (await downloads.tail(f"{server.url}/a", 10)).content == b"here"
            with pytest.raises(DownloadRefused):
                await downloads.tail(f"{server.url}/a", 10)


async def test_an_expired_link_and_a_storage_failure_have_different_errors() -> None:
    responses = in_sequence(web.Response(status=403), web.Response(status=500), None)
    async with HttpTransport() as http, stub_server(responses) as server:
        downloads = Downloads(http, api_url=server.url, hosts=())
        with pytest.raises(DownloadExpired):
            await downloads.tail(f"{server.url}/a", 10)
        for _ in range(2):
            with pytest.raises(ProviderDown):
                await downloads.tail(f"{server.url}/a", 10)


async def test_an_api_with_its_own_port_may_serve_files_on_it() -> None:
    async with HttpTransport() as http:
        downloads = Downloads(http, api_url="https://ci.example.com:8443/v0.1", hosts=())
        assert downloads.may_fetch("https://ci.example.com:8443/log")
        assert downloads.may_fetch("https://ci.example.com/log")
        assert not downloads.may_fetch("https://ci.example.com:9443/log")


@pytest.mark.parametrize("location", ["", "/a", "http://[::1"])
async def test_a_redirect_without_a_valid_target_is_an_error(location: str) -> None:
    redirect = web.Response(status=302, headers={"Location": location} if location else {})
    async with HttpTransport() as http, stub_server(in_sequence(redirect)) as server:
        downloads = Downloads(http, api_url=server.url, hosts=())
        with pytest.raises((DownloadRefused, ProviderDown)):
            await downloads.tail(f"{server.url}/a", 10)
    assert len(server.requests) <= 3


@pytest.mark.parametrize("status", [300, 304, 418, 503])
async def test_a_download_with_an_error_status_is_an_error(status: int) -> None:
    async with HttpTransport() as http, stub_server(in_sequence(web.Response(status=status))) as server:
        with pytest.raises(ProviderDown):
            await Downloads(http, api_url=server.url, hosts=()).tail(f"{server.url}/a", 10)
