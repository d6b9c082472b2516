"""Asking an identity provider who somebody is: OpenID Connect, the authorization code flow with PKCE."""
