"""The OpenID Connect rules of the development provider, on Authlib's server side.

Authlib walks the code flow; this file adds what its defaults leave open: PKCE by S256 only and required of public
clients, parameters that OpenID Connect wants refused when they are not supported, and ``iss`` in every answer
(RFC 9207). Pages, cookies and routes belong to ``app.py``.
"""

from __future__ import annotations

from typing import Any

from authlib.common.urls import add_params_to_uri
from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.errors import InvalidRequestError, OAuth2Error
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode
from flask import Flask, Response
from joserfc.jwk import RSAKey

from demo.provider.config import SCOPES, Config
from demo.provider.store import AccessToken, Code, SignIn, Store, now

ALGORITHM = "RS256"


class Server(AuthorizationServer):  # type: ignore[misc]  # Authlib has no types
    """Authlib's server, with ``iss`` in every redirect and no ``response_type`` but ``code``."""

    def __init__(self, app: Flask, config: Config, store: Store, key: RSAKey) -> None:
        app.config["OAUTH2_TOKEN_EXPIRES_IN"] = {"authorization_code": config.token_lifetime}
        super().__init__(app, query_client=config.clients.get, save_token=self._keep_token)
        self.config, self.store = config, store
        extensions = [Pkce(required=True), RequestRules(), IdToken(config, key)]
        self.register_grant(CodeGrant, extensions)

    def get_authorization_grant(self, request: Any) -> Any:
        """The code flow's grant. Another response type goes back as an error, to a registered address only."""
        if request.payload.response_type == "code":
            return super().get_authorization_grant(request)
        client, wish = self.config.clients.get(request.payload.client_id), request.payload.redirect_uri
        known = wish if client and wish and client.check_redirect_uri(wish) else None
        missing = request.payload.response_type is None
        error = "invalid_request" if missing else "unsupported_response_type"
        raise OAuth2Error("the response type is code", error=error, redirect_uri=known)

    def handle_response(self, status_code: int, payload: Any, headers: list[tuple[str, str]]) -> Response:
        """A response of Flask's; redirects carry ``iss``."""
        named = [
            (name, add_params_to_uri(value, [("iss", self.config.issuer)]) if name == "Location" else value)
            for name, value in headers
        ]
        response: Response = super().handle_response(status_code, payload, named)
        return response

    def _keep_token(self, token: dict[str, Any], request: Any) -> None:
        self.store.add_token(
            AccessToken(
                token=token["access_token"],
                client=request.client,
                scope=token["scope"],
                sign_in=request.user,
                code=request.authorization_code.code,
                expires=now() + self.config.token_lifetime,
            )
        )


class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    """The authorisation code grant over our store."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "none")

    def save_authorization_code(self, code: str, request: Any) -> None:
        """Binds the code to client, redirect address, challenge, nonce and person."""
        data = request.payload.data
        self.server.store.add_code(
            Code(
                code=code,
                client_id=request.client.id,
                redirect_uri=request.payload.redirect_uri,
                scope=request.scope,
                sign_in=request.user,
                nonce=data.get("nonce"),
                code_challenge=data.get("code_challenge"),
                code_challenge_method=data.get("code_challenge_method"),
                expires=now() + self.server.config.code_lifetime,
            )
        )

    def query_authorization_code(self, code: str, client: Any) -> Code | None:
        """The code, which is used up by this."""
        found: Code | None = self.server.store.take_code(code, client.id)
        return found

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """Nothing is left to do: asking for the code took it."""

    def authenticate_user(self, authorization_code: Code) -> SignIn:
        """Whom the code speaks of."""
        return authorization_code.sign_in


class Pkce(CodeChallenge):  # type: ignore[misc]
    """RFC 7636 with S256 alone; a public client must bring a challenge already when it asks."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Refuses ``plain``, also where it is only the default."""
        super().validate_code_challenge(grant, redirect_uri)
        data = grant.request.payload.data
        if data.get("code_challenge") and data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("the code_challenge_method is S256")
        if grant.client.public and not data.get("code_challenge"):
            raise InvalidRequestError("a public client needs a code_challenge")


class RequestRules:
    """Parameters of OpenID Connect that are refused rather than ignored (Core 3.1.2.6)."""

    def __call__(self, grant: Any) -> None:
        """Authlib's way to add an extension to a grant."""
        grant.register_hook("after_validate_authorization_request_payload", self.check)

    @staticmethod
    def check(grant: Any, redirect_uri: str) -> None:
        """Raises the standard's error; Authlib sends it to ``redirect_uri``."""
        data = grant.request.payload.data
        for name, error in (("request", "request_not_supported"), ("request_uri", "request_uri_not_supported")):
            if name in data:
                raise OAuth2Error(f"{name} is not supported", error=error, redirect_uri=redirect_uri)
        if data.get("response_mode", "query") != "query":
            raise InvalidRequestError("the response_mode is query")
        if not data.get("max_age", "0").isdecimal():
            raise InvalidRequestError("max_age is a number of seconds")


class IdToken(OpenIDCode):  # type: ignore[misc]
    """ID tokens: RS256, five minutes long unless configured, one audience."""

    def __init__(self, config: Config, key: RSAKey) -> None:
        super().__init__(require_nonce=False)
        self._config, self._key = config, key

    def exists_nonce(self, nonce: str, request: Any) -> bool:
        """A nonce is the client's to choose, and the client's to compare; it may come again."""
        del nonce, request
        return False

    def resolve_client_private_key(self, client: Any) -> RSAKey:
        """One key for everybody."""
        del client
        return self._key

    def get_client_algorithm(self, client: Any) -> str:
        """One algorithm for everybody."""
        del client
        return ALGORITHM

    def get_encode_header(self, client: Any) -> dict[str, str]:
        """The header names the key, so that clients can find it in the JWKS."""
        del client
        return {"alg": ALGORITHM, "kid": str(self._key.kid), "typ": "JWT"}

    def get_client_claims(self, client: Any) -> dict[str, Any]:
        """The claims that do not depend on the person."""
        made = now()
        return {
            "iss": self._config.issuer,
            "aud": client.id,
            "iat": made,
            "exp": made + self._config.token_lifetime,
        }

    def generate_user_info(self, user: SignIn, scope: str) -> dict[str, Any]:
        """The claims about the person: also in the ID token, as most providers do."""
        return user.person.about(scope)


class Bearer(BearerTokenValidator):  # type: ignore[misc]
    """Finds access tokens in the store."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store

    def authenticate_token(self, token_string: str) -> AccessToken | None:
        """The token with this text, if it is known."""
        return self._store.token(token_string)


def protector(store: Store) -> ResourceProtector:
    """Guards the userinfo endpoint."""
    made = ResourceProtector()
    made.register_token_validator(Bearer(store))
    return made


def discovery(config: Config) -> dict[str, Any]:
    """The discovery document (OpenID Connect Discovery 1.0; RFC 9207 for the last line)."""
    return {
        "issuer": config.issuer,
        "authorization_endpoint": f"{config.issuer}/authorize",
        "token_endpoint": f"{config.issuer}/token",
        "userinfo_endpoint": f"{config.issuer}/userinfo",
        "jwks_uri": f"{config.issuer}/jwks",
        "scopes_supported": list(SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "none"],
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "select_account", "consent"],
        "claims_supported": [
            "sub", "iss", "aud", "iat", "exp", "auth_time", "amr", "nonce", "at_hash",
            "name", "preferred_username", "email", "email_verified", "groups",
        ],
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "authorization_response_iss_parameter_supported": True,
    }  # fmt: skip
