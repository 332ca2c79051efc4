"""A mock of the OpenAI API for tests, below the official SDK, on RESPX.

    import openai, openai_responses

    @openai_responses.mock()
    def test_greeting(openai_mock):
        openai_mock.chat.completions.create.response = "Hello! How can I help?"
        completion = openai.OpenAI(api_key="sk-fake").chat.completions.create(
            model="gpt-5.5", messages=[{"role": "user", "content": "Hi"}]
        )
        assert completion.choices[0].message.content == "Hello! How can I help?"
        assert openai_mock.chat.completions.create.route.call_count == 1

The application under test doesn't change. Every call of the SDK is a row of one table, and a request finds its row by
method and path. The sections of this module, low to high; search for their names to find the banners:

    ROUTE TABLE             every call: dotted name, method, path, type of the answer
    RESOURCES               what a row does, derived from its shape; facts about stored objects
    ERRORS                  the service's errors, and wording that messages share
    TYPES AND MERGING       a default for every type of the SDK, partials merged into it, JSON
    STATE                   metadata of stored objects, their progress and deletion
    CALLS                   a request and its decoded body
    REQUEST CHECKS          what the service rejects, whatever the endpoint
    MODEL OUTPUT            one turn of the model for any API; scripts, which are what a test set
    SCHEMA GENERATION       a value that satisfies a JSON schema
    ANSWERS                 composed and stored, by the verb and the behavior of an endpoint
    WEBSOCKET SESSIONS      a connection as the service sees it

    One section for each API, with everything that belongs to it: checks, derived fields, storage, stream events and, at
    its end, its rows of the tables (_BEHAVIORS, _RESOURCES, defaults, ID prefixes ...):

    FILES AND UPLOADS · RESPONSES AND CONVERSATIONS · CHAT AND COMPLETIONS · ASSISTANTS · HOSTED AGENTS AND CHATKIT ·
    VECTOR STORES · BATCHES · FINE-TUNING AND MODELS · AUDIO AND IMAGES · EMBEDDINGS, MODERATIONS, DECISIONS ·
    REALTIME AND LIVE · EVALS · CONTAINERS · SKILLS · VIDEOS · ADMINISTRATION AND WEBHOOK ENDPOINTS

    REPLIES                 an answer as JSON, bytes or a stream of events
    SCRIPTS                 a response selected, checked and resolved; how `.response` is prepared
    INTERCEPTION            the RESPX router, and the patches of httpx, httpx2, aiohttp and the SDK
    WEBSOCKET CONNECTIONS   the client of `websockets`, without a socket
    SERVER                  the mock as an ASGI application, its control plane, `python -m openai_responses`
    PUBLIC API              builders, state store, endpoints, rules, records, transports, the mock, webhooks
    IMPORT PATHS            submodules such as `openai_responses.ext.httpx`
    PYTEST PLUGIN           the fixtures `openai_mock` and `openai_server`

Within a subsection, what other sections call comes first and its helpers follow; helpers of a whole section stand at its
beginning. A table comes after the functions that it names.

The way of a request: `Router.handler` (INTERCEPTION) makes it a `_Call` (CALLS). `_answer` (SCRIPTS) selects the
`_Script` that the test set for it, checks the request, resolves the script, and has the answer built (ANSWERS): composed
of default, request, derived and set fields, then stored, as the endpoint's row of `_BEHAVIORS` says. `_reply` (REPLIES)
sends it as JSON, bytes or events. The request log has a record of it.
"""

from __future__ import annotations

import array
import asyncio
import base64
import bisect
import collections
import concurrent.futures
import contextlib
import contextvars
import copy
import dataclasses
import difflib
import email
import email.utils
import errno
import functools
import hashlib
import hmac
import importlib
import importlib.util
import inspect
import io
import ipaddress
import itertools
import json
import math
import mimetypes
import operator
import os
import pkgutil
import random
import re
import ssl
import struct
import sys
import threading
import time
import types
import typing
import unittest.mock
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar
from urllib.parse import parse_qsl, quote, unquote

if __name__ == "__main__":  # under its own name, which a script imports, and once
    import openai_responses

    sys.exit(openai_responses._main())

import httpx
import respx
from respx.mocks import Mocker
from respx.models import AllMockedAssertionError, PassThrough, SideEffectError

__version__ = "1.0.0"
# fmt: off
__all__ = [
    "OpenAIMock", "mock",
    # what the model says, and how it arrives
    "tool_call", "refusal", "cut", "filtered", "reasoning", "cited", "as_json", "reply", "error", "timeout", "streamed",
    "Answer",
    # streams as classes, transports, state, errors
    "EventStream", "AsyncEventStream", "MockTransport", "StateStore", "MockError", "RequestNotMocked", "webhook",
]
# fmt: on


def __dir__() -> list[str]:
    """List the public API only."""
    return list(__all__)


__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks, except with --full-trace

_JSON = dict[str, Any]  # a JSON object, as it is sent


# ======================================================================================================================
# ROUTE TABLE: every call of the SDK
# ======================================================================================================================


class _Row(NamedTuple):
    """One REST call of the SDK, as the releases from `since` to before `until` send it."""

    name: str
    method: str
    path: str
    model: str  # below openai.types; "CursorPage[Model]" is a list, "bytes" a download, "None" no body
    since: tuple[int, ...] = (0,)
    until: tuple[int, ...] = (1000,)


# fmt: off
_ROUTES: tuple[tuple[Any, ...], ...] = (
    ("admin.organization.admin_api_keys.create", "POST", "/organization/admin_api_keys", "admin.organization.AdminAPIKeyCreateResponse"),
    ("admin.organization.admin_api_keys.delete", "DELETE", "/organization/admin_api_keys/{key_id}", "admin.organization.AdminAPIKeyDeleteResponse"),
    ("admin.organization.admin_api_keys.list", "GET", "/organization/admin_api_keys", "CursorPage[admin.organization.AdminAPIKey]"),
    ("admin.organization.admin_api_keys.retrieve", "GET", "/organization/admin_api_keys/{key_id}", "admin.organization.AdminAPIKey"),
    ("admin.organization.audit_logs.list", "GET", "/organization/audit_logs", "ConversationCursorPage[admin.organization.AuditLogListResponse]"),
    ("admin.organization.certificates.activate", "POST", "/organization/certificates/activate", "Page[admin.organization.CertificateActivateResponse]"),
    ("admin.organization.certificates.create", "POST", "/organization/certificates", "admin.organization.Certificate"),
    ("admin.organization.certificates.deactivate", "POST", "/organization/certificates/deactivate", "Page[admin.organization.CertificateDeactivateResponse]"),
    ("admin.organization.certificates.delete", "DELETE", "/organization/certificates/{certificate_id}", "admin.organization.CertificateDeleteResponse"),
    ("admin.organization.certificates.list", "GET", "/organization/certificates", "ConversationCursorPage[admin.organization.CertificateListResponse]"),
    ("admin.organization.certificates.retrieve", "GET", "/organization/certificates/{certificate_id}", "admin.organization.Certificate"),
    ("admin.organization.certificates.update", "POST", "/organization/certificates/{certificate_id}", "admin.organization.Certificate"),
    ("admin.organization.data_retention.retrieve", "GET", "/organization/data_retention", "admin.organization.OrganizationDataRetention"),
    ("admin.organization.data_retention.update", "POST", "/organization/data_retention", "admin.organization.OrganizationDataRetention"),
    ("admin.organization.external_keys.create", "POST", "/organization/external_keys", "admin.organization.ExternalKey"),
    ("admin.organization.external_keys.delete", "DELETE", "/organization/external_keys/{external_key_id}", "admin.organization.ExternalKey"),
    ("admin.organization.external_keys.list", "GET", "/organization/external_keys", "CursorPage[admin.organization.ExternalKey]"),
    ("admin.organization.external_keys.retrieve", "GET", "/organization/external_keys/{external_key_id}", "admin.organization.ExternalKey"),
    ("admin.organization.external_keys.validate", "POST", "/organization/external_keys/{external_key_id}/validate", "admin.organization.ExternalKeyValidateResponse"),
    ("admin.organization.external_storage.create", "POST", "/organization/external_storage", "admin.organization.ExternalStorageConfiguration"),
    ("admin.organization.external_storage.delete", "DELETE", "/organization/external_storage/{external_storage_id}", "admin.organization.ExternalStorageDeleted"),
    ("admin.organization.external_storage.list", "GET", "/organization/external_storage", "CursorPage[admin.organization.ExternalStorageConfiguration]"),
    ("admin.organization.external_storage.retrieve", "GET", "/organization/external_storage/{external_storage_id}", "admin.organization.ExternalStorageConfiguration"),
    ("admin.organization.external_storage.validate", "POST", "/organization/external_storage/{external_storage_id}/validate", "admin.organization.ExternalStorageConfiguration"),
    ("admin.organization.groups.create", "POST", "/organization/groups", "admin.organization.Group"),
    ("admin.organization.groups.delete", "DELETE", "/organization/groups/{group_id}", "admin.organization.GroupDeleteResponse"),
    ("admin.organization.groups.list", "GET", "/organization/groups", "NextCursorPage[admin.organization.Group]"),
    ("admin.organization.groups.retrieve", "GET", "/organization/groups/{group_id}", "admin.organization.Group"),
    ("admin.organization.groups.roles.create", "POST", "/organization/groups/{group_id}/roles", "admin.organization.groups.RoleCreateResponse"),
    ("admin.organization.groups.roles.delete", "DELETE", "/organization/groups/{group_id}/roles/{role_id}", "admin.organization.groups.RoleDeleteResponse"),
    ("admin.organization.groups.roles.list", "GET", "/organization/groups/{group_id}/roles", "NextCursorPage[admin.organization.groups.RoleListResponse]"),
    ("admin.organization.groups.roles.retrieve", "GET", "/organization/groups/{group_id}/roles/{role_id}", "admin.organization.groups.RoleRetrieveResponse"),
    ("admin.organization.groups.update", "POST", "/organization/groups/{group_id}", "admin.organization.GroupUpdateResponse"),
    ("admin.organization.groups.users.create", "POST", "/organization/groups/{group_id}/users", "admin.organization.groups.UserCreateResponse"),
    ("admin.organization.groups.users.delete", "DELETE", "/organization/groups/{group_id}/users/{user_id}", "admin.organization.groups.UserDeleteResponse"),
    ("admin.organization.groups.users.list", "GET", "/organization/groups/{group_id}/users", "NextCursorPage[admin.organization.groups.OrganizationGroupUser]"),
    ("admin.organization.groups.users.retrieve", "GET", "/organization/groups/{group_id}/users/{user_id}", "admin.organization.groups.UserRetrieveResponse"),
    ("admin.organization.invites.create", "POST", "/organization/invites", "admin.organization.Invite"),
    ("admin.organization.invites.delete", "DELETE", "/organization/invites/{invite_id}", "admin.organization.InviteDeleteResponse"),
    ("admin.organization.invites.list", "GET", "/organization/invites", "ConversationCursorPage[admin.organization.Invite]"),
    ("admin.organization.invites.retrieve", "GET", "/organization/invites/{invite_id}", "admin.organization.Invite"),
    ("admin.organization.projects.api_keys.delete", "DELETE", "/organization/projects/{project_id}/api_keys/{api_key_id}", "admin.organization.projects.APIKeyDeleteResponse"),
    ("admin.organization.projects.api_keys.list", "GET", "/organization/projects/{project_id}/api_keys", "ConversationCursorPage[admin.organization.projects.ProjectAPIKey]"),
    ("admin.organization.projects.api_keys.retrieve", "GET", "/organization/projects/{project_id}/api_keys/{api_key_id}", "admin.organization.projects.ProjectAPIKey"),
    ("admin.organization.projects.api_keys.update", "POST", "/organization/projects/{project_id}/api_keys/{api_key_id}", "admin.organization.projects.ProjectAPIKey"),
    ("admin.organization.projects.archive", "POST", "/organization/projects/{project_id}/archive", "admin.organization.Project"),
    ("admin.organization.projects.certificates.activate", "POST", "/organization/projects/{project_id}/certificates/activate", "Page[admin.organization.projects.CertificateActivateResponse]"),
    ("admin.organization.projects.certificates.deactivate", "POST", "/organization/projects/{project_id}/certificates/deactivate", "Page[admin.organization.projects.CertificateDeactivateResponse]"),
    ("admin.organization.projects.certificates.list", "GET", "/organization/projects/{project_id}/certificates", "ConversationCursorPage[admin.organization.projects.CertificateListResponse]"),
    ("admin.organization.projects.create", "POST", "/organization/projects", "admin.organization.Project"),
    ("admin.organization.projects.data_retention.retrieve", "GET", "/organization/projects/{project_id}/data_retention", "admin.organization.projects.ProjectDataRetention"),
    ("admin.organization.projects.data_retention.update", "POST", "/organization/projects/{project_id}/data_retention", "admin.organization.projects.ProjectDataRetention"),
    ("admin.organization.projects.groups.create", "POST", "/organization/projects/{project_id}/groups", "admin.organization.projects.ProjectGroup"),
    ("admin.organization.projects.groups.delete", "DELETE", "/organization/projects/{project_id}/groups/{group_id}", "admin.organization.projects.GroupDeleteResponse"),
    ("admin.organization.projects.groups.list", "GET", "/organization/projects/{project_id}/groups", "NextCursorPage[admin.organization.projects.ProjectGroup]"),
    ("admin.organization.projects.groups.retrieve", "GET", "/organization/projects/{project_id}/groups/{group_id}", "admin.organization.projects.ProjectGroup"),
    ("admin.organization.projects.groups.roles.create", "POST", "/projects/{project_id}/groups/{group_id}/roles", "admin.organization.projects.groups.RoleCreateResponse"),
    ("admin.organization.projects.groups.roles.delete", "DELETE", "/projects/{project_id}/groups/{group_id}/roles/{role_id}", "admin.organization.projects.groups.RoleDeleteResponse"),
    ("admin.organization.projects.groups.roles.list", "GET", "/projects/{project_id}/groups/{group_id}/roles", "NextCursorPage[admin.organization.projects.groups.RoleListResponse]"),
    ("admin.organization.projects.groups.roles.retrieve", "GET", "/projects/{project_id}/groups/{group_id}/roles/{role_id}", "admin.organization.projects.groups.RoleRetrieveResponse"),
    ("admin.organization.projects.hosted_tool_permissions.retrieve", "GET", "/organization/projects/{project_id}/hosted_tool_permissions", "admin.organization.projects.ProjectHostedToolPermissions"),
    ("admin.organization.projects.hosted_tool_permissions.update", "POST", "/organization/projects/{project_id}/hosted_tool_permissions", "admin.organization.projects.ProjectHostedToolPermissions"),
    ("admin.organization.projects.list", "GET", "/organization/projects", "ConversationCursorPage[admin.organization.Project]"),
    ("admin.organization.projects.model_permissions.delete", "DELETE", "/organization/projects/{project_id}/model_permissions", "admin.organization.projects.ProjectModelPermissionsDeleted"),
    ("admin.organization.projects.model_permissions.retrieve", "GET", "/organization/projects/{project_id}/model_permissions", "admin.organization.projects.ProjectModelPermissions"),
    ("admin.organization.projects.model_permissions.update", "POST", "/organization/projects/{project_id}/model_permissions", "admin.organization.projects.ProjectModelPermissions"),
    ("admin.organization.projects.rate_limits.list_rate_limits", "GET", "/organization/projects/{project_id}/rate_limits", "ConversationCursorPage[admin.organization.projects.ProjectRateLimit]"),
    ("admin.organization.projects.rate_limits.update_rate_limit", "POST", "/organization/projects/{project_id}/rate_limits/{rate_limit_id}", "admin.organization.projects.ProjectRateLimit"),
    ("admin.organization.projects.retrieve", "GET", "/organization/projects/{project_id}", "admin.organization.Project"),
    ("admin.organization.projects.roles.create", "POST", "/projects/{project_id}/roles", "admin.organization.Role"),
    ("admin.organization.projects.roles.delete", "DELETE", "/projects/{project_id}/roles/{role_id}", "admin.organization.projects.RoleDeleteResponse"),
    ("admin.organization.projects.roles.list", "GET", "/projects/{project_id}/roles", "NextCursorPage[admin.organization.Role]"),
    ("admin.organization.projects.roles.retrieve", "GET", "/projects/{project_id}/roles/{role_id}", "admin.organization.Role"),
    ("admin.organization.projects.roles.update", "POST", "/projects/{project_id}/roles/{role_id}", "admin.organization.Role"),
    ("admin.organization.projects.service_accounts.api_keys.create", "POST", "/organization/projects/{project_id}/service_accounts/{service_account_id}/api_keys", "admin.organization.projects.service_accounts.APIKeyCreateResponse"),
    ("admin.organization.projects.service_accounts.create", "POST", "/organization/projects/{project_id}/service_accounts", "admin.organization.projects.ServiceAccountCreateResponse"),
    ("admin.organization.projects.service_accounts.delete", "DELETE", "/organization/projects/{project_id}/service_accounts/{service_account_id}", "admin.organization.projects.ServiceAccountDeleteResponse"),
    ("admin.organization.projects.service_accounts.list", "GET", "/organization/projects/{project_id}/service_accounts", "ConversationCursorPage[admin.organization.projects.ProjectServiceAccount]"),
    ("admin.organization.projects.service_accounts.retrieve", "GET", "/organization/projects/{project_id}/service_accounts/{service_account_id}", "admin.organization.projects.ProjectServiceAccount"),
    ("admin.organization.projects.service_accounts.update", "POST", "/organization/projects/{project_id}/service_accounts/{service_account_id}", "admin.organization.projects.ProjectServiceAccount"),
    ("admin.organization.projects.service_tier_settings.retrieve", "GET", "/organization/projects/{project_id}/service_tier_settings", "admin.organization.projects.ProjectServiceTierSettings"),
    ("admin.organization.projects.service_tier_settings.update", "POST", "/organization/projects/{project_id}/service_tier_settings", "admin.organization.projects.ProjectServiceTierSettings"),
    ("admin.organization.projects.spend_alerts.create", "POST", "/organization/projects/{project_id}/spend_alerts", "admin.organization.projects.ProjectSpendAlert"),
    ("admin.organization.projects.spend_alerts.delete", "DELETE", "/organization/projects/{project_id}/spend_alerts/{alert_id}", "admin.organization.projects.ProjectSpendAlertDeleted"),
    ("admin.organization.projects.spend_alerts.list", "GET", "/organization/projects/{project_id}/spend_alerts", "ConversationCursorPage[admin.organization.projects.ProjectSpendAlert]"),
    ("admin.organization.projects.spend_alerts.retrieve", "GET", "/organization/projects/{project_id}/spend_alerts/{alert_id}", "admin.organization.projects.ProjectSpendAlert"),
    ("admin.organization.projects.spend_alerts.update", "POST", "/organization/projects/{project_id}/spend_alerts/{alert_id}", "admin.organization.projects.ProjectSpendAlert"),
    ("admin.organization.projects.spend_limit.delete", "DELETE", "/organization/projects/{project_id}/spend_limit", "admin.organization.projects.ProjectSpendLimitDeleted"),
    ("admin.organization.projects.spend_limit.retrieve", "GET", "/organization/projects/{project_id}/spend_limit", "admin.organization.projects.ProjectSpendLimit"),
    ("admin.organization.projects.spend_limit.update", "POST", "/organization/projects/{project_id}/spend_limit", "admin.organization.projects.ProjectSpendLimit"),
    ("admin.organization.projects.update", "POST", "/organization/projects/{project_id}", "admin.organization.Project"),
    ("admin.organization.projects.users.create", "POST", "/organization/projects/{project_id}/users", "admin.organization.projects.ProjectUser"),
    ("admin.organization.projects.users.delete", "DELETE", "/organization/projects/{project_id}/users/{user_id}", "admin.organization.projects.UserDeleteResponse"),
    ("admin.organization.projects.users.list", "GET", "/organization/projects/{project_id}/users", "ConversationCursorPage[admin.organization.projects.ProjectUser]"),
    ("admin.organization.projects.users.retrieve", "GET", "/organization/projects/{project_id}/users/{user_id}", "admin.organization.projects.ProjectUser"),
    ("admin.organization.projects.users.roles.create", "POST", "/projects/{project_id}/users/{user_id}/roles", "admin.organization.projects.users.RoleCreateResponse"),
    ("admin.organization.projects.users.roles.delete", "DELETE", "/projects/{project_id}/users/{user_id}/roles/{role_id}", "admin.organization.projects.users.RoleDeleteResponse"),
    ("admin.organization.projects.users.roles.list", "GET", "/projects/{project_id}/users/{user_id}/roles", "NextCursorPage[admin.organization.projects.users.RoleListResponse]"),
    ("admin.organization.projects.users.roles.retrieve", "GET", "/projects/{project_id}/users/{user_id}/roles/{role_id}", "admin.organization.projects.users.RoleRetrieveResponse"),
    ("admin.organization.projects.users.update", "POST", "/organization/projects/{project_id}/users/{user_id}", "admin.organization.projects.ProjectUser"),
    ("admin.organization.roles.create", "POST", "/organization/roles", "admin.organization.Role"),
    ("admin.organization.roles.delete", "DELETE", "/organization/roles/{role_id}", "admin.organization.RoleDeleteResponse"),
    ("admin.organization.roles.list", "GET", "/organization/roles", "NextCursorPage[admin.organization.Role]"),
    ("admin.organization.roles.retrieve", "GET", "/organization/roles/{role_id}", "admin.organization.Role"),
    ("admin.organization.roles.update", "POST", "/organization/roles/{role_id}", "admin.organization.Role"),
    ("admin.organization.spend_alerts.create", "POST", "/organization/spend_alerts", "admin.organization.OrganizationSpendAlert"),
    ("admin.organization.spend_alerts.delete", "DELETE", "/organization/spend_alerts/{alert_id}", "admin.organization.OrganizationSpendAlertDeleted"),
    ("admin.organization.spend_alerts.list", "GET", "/organization/spend_alerts", "ConversationCursorPage[admin.organization.OrganizationSpendAlert]"),
    ("admin.organization.spend_alerts.retrieve", "GET", "/organization/spend_alerts/{alert_id}", "admin.organization.OrganizationSpendAlert"),
    ("admin.organization.spend_alerts.update", "POST", "/organization/spend_alerts/{alert_id}", "admin.organization.OrganizationSpendAlert"),
    ("admin.organization.spend_limit.delete", "DELETE", "/organization/spend_limit", "admin.organization.OrganizationSpendLimitDeleted"),
    ("admin.organization.spend_limit.retrieve", "GET", "/organization/spend_limit", "admin.organization.OrganizationSpendLimit"),
    ("admin.organization.spend_limit.update", "POST", "/organization/spend_limit", "admin.organization.OrganizationSpendLimit"),
    ("admin.organization.usage.audio_speeches", "GET", "/organization/usage/audio_speeches", "admin.organization.UsageAudioSpeechesResponse"),
    ("admin.organization.usage.audio_transcriptions", "GET", "/organization/usage/audio_transcriptions", "admin.organization.UsageAudioTranscriptionsResponse"),
    ("admin.organization.usage.code_interpreter_sessions", "GET", "/organization/usage/code_interpreter_sessions", "admin.organization.UsageCodeInterpreterSessionsResponse"),
    ("admin.organization.usage.completions", "GET", "/organization/usage/completions", "admin.organization.UsageCompletionsResponse"),
    ("admin.organization.usage.costs", "GET", "/organization/costs", "admin.organization.UsageCostsResponse"),
    ("admin.organization.usage.decisions", "GET", "/organization/usage/decisions", "admin.organization.UsageDecisionsResponse"),
    ("admin.organization.usage.embeddings", "GET", "/organization/usage/embeddings", "admin.organization.UsageEmbeddingsResponse"),
    ("admin.organization.usage.file_search_calls", "GET", "/organization/usage/file_search_calls", "admin.organization.UsageFileSearchCallsResponse"),
    ("admin.organization.usage.images", "GET", "/organization/usage/images", "admin.organization.UsageImagesResponse"),
    ("admin.organization.usage.moderations", "GET", "/organization/usage/moderations", "admin.organization.UsageModerationsResponse"),
    ("admin.organization.usage.vector_stores", "GET", "/organization/usage/vector_stores", "admin.organization.UsageVectorStoresResponse"),
    ("admin.organization.usage.web_search_calls", "GET", "/organization/usage/web_search_calls", "admin.organization.UsageWebSearchCallsResponse"),
    ("admin.organization.users.delete", "DELETE", "/organization/users/{user_id}", "admin.organization.UserDeleteResponse"),
    ("admin.organization.users.list", "GET", "/organization/users", "ConversationCursorPage[admin.organization.OrganizationUser]"),
    ("admin.organization.users.retrieve", "GET", "/organization/users/{user_id}", "admin.organization.OrganizationUser"),
    ("admin.organization.users.roles.create", "POST", "/organization/users/{user_id}/roles", "admin.organization.users.RoleCreateResponse"),
    ("admin.organization.users.roles.delete", "DELETE", "/organization/users/{user_id}/roles/{role_id}", "admin.organization.users.RoleDeleteResponse"),
    ("admin.organization.users.roles.list", "GET", "/organization/users/{user_id}/roles", "NextCursorPage[admin.organization.users.RoleListResponse]"),
    ("admin.organization.users.roles.retrieve", "GET", "/organization/users/{user_id}/roles/{role_id}", "admin.organization.users.RoleRetrieveResponse"),
    ("admin.organization.users.update", "POST", "/organization/users/{user_id}", "admin.organization.OrganizationUser"),
    ("admin.organization.workload_identity_providers.create", "POST", "/organization/workload_identity_providers", "admin.organization.WorkloadIdentityProvider"),
    ("admin.organization.workload_identity_providers.delete", "DELETE", "/organization/workload_identity_providers/{workload_identity_provider_id}", "admin.organization.WorkloadIdentityProviderDeleted"),
    ("admin.organization.workload_identity_providers.federation_rules.create", "POST", "/organization/workload_identity_providers/{workload_identity_provider_id}/federation_rules", "admin.organization.workload_identity_providers.FederationRule"),
    ("admin.organization.workload_identity_providers.federation_rules.delete", "DELETE", "/organization/workload_identity_providers/{workload_identity_provider_id}/federation_rules/{workload_identity_federation_rule_id}", "admin.organization.workload_identity_providers.FederationRuleDeleted"),
    ("admin.organization.workload_identity_providers.federation_rules.list", "GET", "/organization/workload_identity_providers/{workload_identity_provider_id}/federation_rules", "CursorPage[admin.organization.workload_identity_providers.FederationRule]"),
    ("admin.organization.workload_identity_providers.federation_rules.retrieve", "GET", "/organization/workload_identity_providers/{workload_identity_provider_id}/federation_rules/{workload_identity_federation_rule_id}", "admin.organization.workload_identity_providers.FederationRule"),
    ("admin.organization.workload_identity_providers.federation_rules.update", "POST", "/organization/workload_identity_providers/{workload_identity_provider_id}/federation_rules/{workload_identity_federation_rule_id}", "admin.organization.workload_identity_providers.FederationRule"),
    ("admin.organization.workload_identity_providers.list", "GET", "/organization/workload_identity_providers", "CursorPage[admin.organization.WorkloadIdentityProvider]"),
    ("admin.organization.workload_identity_providers.retrieve", "GET", "/organization/workload_identity_providers/{workload_identity_provider_id}", "admin.organization.WorkloadIdentityProvider"),
    ("admin.organization.workload_identity_providers.update", "POST", "/organization/workload_identity_providers/{workload_identity_provider_id}", "admin.organization.WorkloadIdentityProvider"),
    ("audio.speech.create", "POST", "/audio/speech", "bytes"),
    ("audio.transcriptions.create", "POST", "/audio/transcriptions", "audio.Transcription"),
    ("audio.translations.create", "POST", "/audio/translations", "audio.Translation"),
    ("audio.voice_consents.create", "POST", "/audio/voice_consents", "audio.VoiceConsent"),
    ("audio.voice_consents.delete", "DELETE", "/audio/voice_consents/{consent_id}", "audio.VoiceConsentDeleted"),
    ("audio.voice_consents.list", "GET", "/audio/voice_consents", "CursorPage[audio.VoiceConsent]"),
    ("audio.voice_consents.retrieve", "GET", "/audio/voice_consents/{consent_id}", "audio.VoiceConsent"),
    ("audio.voice_consents.update", "POST", "/audio/voice_consents/{consent_id}", "audio.VoiceConsent"),
    ("audio.voices.create", "POST", "/audio/voices", "audio.Voice"),
    ("audio.voices.delete", "DELETE", "/audio/voices/{voice_id}", "audio.VoiceDeleted"),
    ("batches.cancel", "POST", "/batches/{batch_id}/cancel", "Batch"),
    ("batches.create", "POST", "/batches", "Batch"),
    ("batches.list", "GET", "/batches", "CursorPage[Batch]"),
    ("batches.retrieve", "GET", "/batches/{batch_id}", "Batch"),
    ("beta.agents.automations.create", "POST", "/agents/automations", "beta.agents.Automation"),
    ("beta.agents.automations.delete", "DELETE", "/agents/automations/{automation_id}", "beta.agents.AutomationDeleted"),
    ("beta.agents.automations.invocations.create", "POST", "/agents/automations/{automation_id}/invocations", "beta.agents.automations.AutomationInvocation"),
    ("beta.agents.automations.invocations.list", "GET", "/agents/automations/{automation_id}/invocations", "CursorPage[beta.agents.automations.AutomationInvocation]"),
    ("beta.agents.automations.invocations.retrieve", "GET", "/agents/automations/{automation_id}/invocations/{invocation_id}", "beta.agents.automations.AutomationInvocation"),
    ("beta.agents.automations.list", "GET", "/agents/automations", "CursorPage[beta.agents.Automation]"),
    ("beta.agents.automations.pause", "POST", "/agents/automations/{automation_id}/pause", "beta.agents.Automation"),
    ("beta.agents.automations.resume", "POST", "/agents/automations/{automation_id}/resume", "beta.agents.Automation"),
    ("beta.agents.automations.retrieve", "GET", "/agents/automations/{automation_id}", "beta.agents.Automation"),
    ("beta.agents.automations.update", "POST", "/agents/automations/{automation_id}", "beta.agents.Automation"),
    ("beta.agents.create", "POST", "/agents", "beta.Agent"),
    ("beta.agents.delete", "DELETE", "/agents/{agent_id}", "beta.AgentDeleted"),
    ("beta.agents.environments.create", "POST", "/agents/environments", "beta.agents.EnvironmentInfo"),
    ("beta.agents.environments.files.create", "POST", "/agents/environments/{environment_id}/files", "beta.agents.environments.EnvironmentFile"),
    ("beta.agents.environments.files.list", "GET", "/agents/environments/{environment_id}/files", "TokenPage[beta.agents.environments.EnvironmentFile]"),
    ("beta.agents.environments.list", "GET", "/agents/environments", "CursorPage[beta.agents.EnvironmentInfo]"),
    ("beta.agents.environments.retrieve", "GET", "/agents/environments/{environment_id}", "beta.agents.EnvironmentInfo"),
    ("beta.agents.environments.templates.create", "POST", "/agents/environments/templates", "beta.agents.environments.EnvironmentTemplate"),
    ("beta.agents.environments.templates.delete", "DELETE", "/agents/environments/templates/{environment_template_id}", "beta.agents.environments.EnvironmentTemplateDeleted"),
    ("beta.agents.environments.templates.list", "GET", "/agents/environments/templates", "CursorPage[beta.agents.environments.EnvironmentTemplate]"),
    ("beta.agents.environments.templates.retrieve", "GET", "/agents/environments/templates/{environment_template_id}", "beta.agents.environments.EnvironmentTemplate"),
    ("beta.agents.environments.templates.update", "POST", "/agents/environments/templates/{environment_template_id}", "beta.agents.environments.EnvironmentTemplate"),
    ("beta.agents.list", "GET", "/agents", "CursorPage[beta.Agent]"),
    ("beta.agents.retrieve", "GET", "/agents/{agent_id}", "beta.Agent"),
    ("beta.agents.sessions.artifacts.content", "GET", "/agents/sessions/{session_id}/artifacts/{artifact_id}/content", "bytes"),
    ("beta.agents.sessions.artifacts.delete", "DELETE", "/agents/sessions/{session_id}/artifacts/{artifact_id}", "beta.agents.sessions.SessionArtifactDeleted"),
    ("beta.agents.sessions.artifacts.list", "GET", "/agents/sessions/{session_id}/artifacts", "CursorPage[beta.agents.sessions.SessionArtifact]"),
    ("beta.agents.sessions.artifacts.retrieve", "GET", "/agents/sessions/{session_id}/artifacts/{artifact_id}", "beta.agents.sessions.SessionArtifact"),
    ("beta.agents.sessions.create", "POST", "/agents/sessions", "beta.AgentSession"),
    ("beta.agents.sessions.delete", "DELETE", "/agents/sessions/{session_id}", "beta.AgentSessionDeleted"),
    ("beta.agents.sessions.events.create", "POST", "/agents/sessions/{session_id}/events", "None"),
    ("beta.agents.sessions.events.stream", "GET", "/agents/sessions/{session_id}/events", "beta.AgentSessionEvent"),
    ("beta.agents.sessions.items.list", "GET", "/agents/sessions/{session_id}/items", "CursorPage[beta.AgentSessionItem]"),
    ("beta.agents.sessions.list", "GET", "/agents/sessions", "CursorPage[beta.AgentSession]"),
    ("beta.agents.sessions.retrieve", "GET", "/agents/sessions/{session_id}", "beta.AgentSession"),
    ("beta.agents.sessions.subagents.items.list", "GET", "/agents/sessions/{session_id}/subagents/{subagent_id}/items", "CursorPage[beta.AgentSessionItem]"),
    ("beta.agents.sessions.subagents.list", "GET", "/agents/sessions/{session_id}/subagents", "CursorPage[beta.Subagent]"),
    ("beta.agents.sessions.subagents.retrieve", "GET", "/agents/sessions/{session_id}/subagents/{subagent_id}", "beta.Subagent"),
    ("beta.agents.sessions.subagents.turns.items.list", "GET", "/agents/sessions/{session_id}/subagents/{subagent_id}/turns/{turn_id}/items", "CursorPage[beta.AgentSessionItem]"),
    ("beta.agents.sessions.subagents.turns.list", "GET", "/agents/sessions/{session_id}/subagents/{subagent_id}/turns", "CursorPage[beta.agents.sessions.Turn]"),
    ("beta.agents.sessions.subagents.turns.retrieve", "GET", "/agents/sessions/{session_id}/subagents/{subagent_id}/turns/{turn_id}", "beta.agents.sessions.Turn"),
    ("beta.agents.sessions.traces.list", "GET", "/agents/sessions/{session_id}/traces", "CursorPage[beta.agents.sessions.SessionTrace]"),
    ("beta.agents.sessions.turns.items.list", "GET", "/agents/sessions/{session_id}/turns/{turn_id}/items", "ConversationCursorPage[beta.AgentSessionItem]"),
    ("beta.agents.sessions.turns.list", "GET", "/agents/sessions/{session_id}/turns", "CursorPage[beta.agents.sessions.Turn]"),
    ("beta.agents.sessions.turns.retrieve", "GET", "/agents/sessions/{session_id}/turns/{turn_id}", "beta.agents.sessions.Turn"),
    ("beta.agents.sessions.update", "POST", "/agents/sessions/{session_id}", "beta.AgentSession"),
    ("beta.agents.update", "POST", "/agents/{agent_id}", "beta.Agent"),
    ("beta.agents.vaults.create", "POST", "/vaults", "beta.agents.Vault"),
    ("beta.agents.vaults.credentials.create", "POST", "/vaults/{vault_id}/credentials", "beta.agents.vaults.Credential"),
    ("beta.agents.vaults.credentials.delete", "DELETE", "/vaults/{vault_id}/credentials/{credential_id}", "beta.agents.vaults.CredentialDeleted"),
    ("beta.agents.vaults.credentials.list", "GET", "/vaults/{vault_id}/credentials", "CursorPage[beta.agents.vaults.Credential]"),
    ("beta.agents.vaults.credentials.retrieve", "GET", "/vaults/{vault_id}/credentials/{credential_id}", "beta.agents.vaults.Credential"),
    ("beta.agents.vaults.credentials.update", "POST", "/vaults/{vault_id}/credentials/{credential_id}", "beta.agents.vaults.Credential"),
    ("beta.agents.vaults.delete", "DELETE", "/vaults/{vault_id}", "beta.agents.VaultDeleted"),
    ("beta.agents.vaults.list", "GET", "/vaults", "CursorPage[beta.agents.Vault]"),
    ("beta.agents.vaults.retrieve", "GET", "/vaults/{vault_id}", "beta.agents.Vault"),
    ("beta.agents.vaults.update", "POST", "/vaults/{vault_id}", "beta.agents.Vault"),
    ("beta.assistants.create", "POST", "/assistants", "beta.Assistant"),
    ("beta.assistants.delete", "DELETE", "/assistants/{assistant_id}", "beta.AssistantDeleted"),
    ("beta.assistants.list", "GET", "/assistants", "CursorPage[beta.Assistant]"),
    ("beta.assistants.retrieve", "GET", "/assistants/{assistant_id}", "beta.Assistant"),
    ("beta.assistants.update", "POST", "/assistants/{assistant_id}", "beta.Assistant"),
    ("beta.chat.completions.create", "POST", "/chat/completions", "chat.ChatCompletion"),
    ("beta.chat.completions.delete", "DELETE", "/chat/completions/{completion_id}", "chat.ChatCompletionDeleted"),
    ("beta.chat.completions.list", "GET", "/chat/completions", "CursorPage[chat.ChatCompletion]"),
    ("beta.chat.completions.messages.list", "GET", "/chat/completions/{completion_id}/messages", "CursorPage[chat.ChatCompletionStoreMessage]"),
    ("beta.chat.completions.retrieve", "GET", "/chat/completions/{completion_id}", "chat.ChatCompletion"),
    ("beta.chat.completions.update", "POST", "/chat/completions/{completion_id}", "chat.ChatCompletion"),
    ("beta.chatkit.sessions.cancel", "POST", "/chatkit/sessions/{session_id}/cancel", "beta.chatkit.ChatSession"),
    ("beta.chatkit.sessions.create", "POST", "/chatkit/sessions", "beta.chatkit.ChatSession"),
    ("beta.chatkit.threads.delete", "DELETE", "/chatkit/threads/{thread_id}", "beta.chatkit.ThreadDeleteResponse"),
    ("beta.chatkit.threads.list", "GET", "/chatkit/threads", "ConversationCursorPage[beta.chatkit.ChatKitThread]"),
    ("beta.chatkit.threads.list_items", "GET", "/chatkit/threads/{thread_id}/items", "ConversationCursorPage[beta.chatkit.chatkit_thread_item_list.Data]"),
    ("beta.chatkit.threads.retrieve", "GET", "/chatkit/threads/{thread_id}", "beta.chatkit.ChatKitThread"),
    ("beta.realtime.connect", "WS", "/realtime?beta=true", "beta.realtime.RealtimeResponse"),
    ("beta.realtime.sessions.create", "POST", "/realtime/sessions", "beta.realtime.SessionCreateResponse"),
    ("beta.realtime.transcription_sessions.create", "POST", "/realtime/transcription_sessions", "beta.realtime.TranscriptionSession"),
    ("beta.responses.cancel", "POST", "/responses/{response_id}/cancel?beta=true", "beta.BetaResponse"),
    ("beta.responses.compact", "POST", "/responses/compact?beta=true", "beta.BetaCompactedResponse"),
    ("beta.responses.connect", "WS", "/responses?beta=true", "beta.BetaResponse"),
    ("beta.responses.create", "POST", "/responses?beta=true", "beta.BetaResponse"),
    ("beta.responses.delete", "DELETE", "/responses/{response_id}?beta=true", "None"),
    ("beta.responses.input_items.list", "GET", "/responses/{response_id}/input_items?beta=true", "CursorPage[beta.BetaResponseItem]"),
    ("beta.responses.input_tokens.count", "POST", "/responses/input_tokens?beta=true", "beta.responses.InputTokenCountResponse"),
    ("beta.responses.retrieve", "GET", "/responses/{response_id}?beta=true", "beta.BetaResponse"),
    ("beta.threads.create", "POST", "/threads", "beta.Thread"),
    ("beta.threads.create_and_run", "POST", "/threads/runs", "beta.threads.Run"),
    ("beta.threads.delete", "DELETE", "/threads/{thread_id}", "beta.ThreadDeleted"),
    ("beta.threads.messages.create", "POST", "/threads/{thread_id}/messages", "beta.threads.Message"),
    ("beta.threads.messages.delete", "DELETE", "/threads/{thread_id}/messages/{message_id}", "beta.threads.MessageDeleted"),
    ("beta.threads.messages.list", "GET", "/threads/{thread_id}/messages", "CursorPage[beta.threads.Message]"),
    ("beta.threads.messages.retrieve", "GET", "/threads/{thread_id}/messages/{message_id}", "beta.threads.Message"),
    ("beta.threads.messages.update", "POST", "/threads/{thread_id}/messages/{message_id}", "beta.threads.Message"),
    ("beta.threads.retrieve", "GET", "/threads/{thread_id}", "beta.Thread"),
    ("beta.threads.runs.cancel", "POST", "/threads/{thread_id}/runs/{run_id}/cancel", "beta.threads.Run"),
    ("beta.threads.runs.create", "POST", "/threads/{thread_id}/runs", "beta.threads.Run"),
    ("beta.threads.runs.list", "GET", "/threads/{thread_id}/runs", "CursorPage[beta.threads.Run]"),
    ("beta.threads.runs.retrieve", "GET", "/threads/{thread_id}/runs/{run_id}", "beta.threads.Run"),
    ("beta.threads.runs.steps.list", "GET", "/threads/{thread_id}/runs/{run_id}/steps", "CursorPage[beta.threads.runs.RunStep]"),
    ("beta.threads.runs.steps.retrieve", "GET", "/threads/{thread_id}/runs/{run_id}/steps/{step_id}", "beta.threads.runs.RunStep"),
    ("beta.threads.runs.submit_tool_outputs", "POST", "/threads/{thread_id}/runs/{run_id}/submit_tool_outputs", "beta.threads.Run"),
    ("beta.threads.runs.update", "POST", "/threads/{thread_id}/runs/{run_id}", "beta.threads.Run"),
    ("beta.threads.update", "POST", "/threads/{thread_id}", "beta.Thread"),
    ("chat.completions.create", "POST", "/chat/completions", "chat.ChatCompletion"),
    ("chat.completions.delete", "DELETE", "/chat/completions/{completion_id}", "chat.ChatCompletionDeleted"),
    ("chat.completions.list", "GET", "/chat/completions", "CursorPage[chat.ChatCompletion]"),
    ("chat.completions.messages.list", "GET", "/chat/completions/{completion_id}/messages", "CursorPage[chat.ChatCompletionStoreMessage]"),
    ("chat.completions.retrieve", "GET", "/chat/completions/{completion_id}", "chat.ChatCompletion"),
    ("chat.completions.update", "POST", "/chat/completions/{completion_id}", "chat.ChatCompletion"),
    ("completions.create", "POST", "/completions", "Completion"),
    ("containers.create", "POST", "/containers", "ContainerCreateResponse"),
    ("containers.delete", "DELETE", "/containers/{container_id}", "None"),
    ("containers.files.content.retrieve", "GET", "/containers/{container_id}/files/{file_id}/content", "bytes"),
    ("containers.files.create", "POST", "/containers/{container_id}/files", "containers.FileCreateResponse"),
    ("containers.files.delete", "DELETE", "/containers/{container_id}/files/{file_id}", "None"),
    ("containers.files.list", "GET", "/containers/{container_id}/files", "CursorPage[containers.FileListResponse]"),
    ("containers.files.retrieve", "GET", "/containers/{container_id}/files/{file_id}", "containers.FileRetrieveResponse"),
    ("containers.list", "GET", "/containers", "CursorPage[ContainerListResponse]"),
    ("containers.retrieve", "GET", "/containers/{container_id}", "ContainerRetrieveResponse"),
    ("content_provenance_checks.create", "POST", "/content_provenance_checks", "ContentProvenanceCheck"),
    ("conversations.create", "POST", "/conversations", "conversations.Conversation"),
    ("conversations.delete", "DELETE", "/conversations/{conversation_id}", "conversations.ConversationDeletedResource"),
    ("conversations.items.create", "POST", "/conversations/{conversation_id}/items", "conversations.ConversationItemList"),
    ("conversations.items.delete", "DELETE", "/conversations/{conversation_id}/items/{item_id}", "conversations.Conversation"),
    ("conversations.items.list", "GET", "/conversations/{conversation_id}/items", "ConversationCursorPage[conversations.ConversationItem]"),
    ("conversations.items.retrieve", "GET", "/conversations/{conversation_id}/items/{item_id}", "conversations.ConversationItem"),
    ("conversations.retrieve", "GET", "/conversations/{conversation_id}", "conversations.Conversation"),
    ("conversations.update", "POST", "/conversations/{conversation_id}", "conversations.Conversation"),
    ("decisions.create", "POST", "/decisions", "Decision"),
    ("embeddings.create", "POST", "/embeddings", "CreateEmbeddingResponse"),
    ("evals.create", "POST", "/evals", "EvalCreateResponse"),
    ("evals.delete", "DELETE", "/evals/{eval_id}", "EvalDeleteResponse"),
    ("evals.list", "GET", "/evals", "CursorPage[EvalListResponse]"),
    ("evals.retrieve", "GET", "/evals/{eval_id}", "EvalRetrieveResponse"),
    ("evals.runs.cancel", "POST", "/evals/{eval_id}/runs/{run_id}", "evals.RunCancelResponse", (0,), (3, 23)),
    ("evals.runs.cancel", "POST", "/evals/{eval_id}/runs/{run_id}/cancel", "evals.RunCancelResponse", (3, 23)),
    ("evals.runs.create", "POST", "/evals/{eval_id}/runs", "evals.RunCreateResponse"),
    ("evals.runs.delete", "DELETE", "/evals/{eval_id}/runs/{run_id}", "evals.RunDeleteResponse"),
    ("evals.runs.list", "GET", "/evals/{eval_id}/runs", "CursorPage[evals.RunListResponse]"),
    ("evals.runs.output_items.list", "GET", "/evals/{eval_id}/runs/{run_id}/output_items", "CursorPage[evals.runs.OutputItemListResponse]"),
    ("evals.runs.output_items.retrieve", "GET", "/evals/{eval_id}/runs/{run_id}/output_items/{output_item_id}", "evals.runs.OutputItemRetrieveResponse"),
    ("evals.runs.retrieve", "GET", "/evals/{eval_id}/runs/{run_id}", "evals.RunRetrieveResponse"),
    ("evals.update", "POST", "/evals/{eval_id}", "EvalUpdateResponse"),
    ("files.content", "GET", "/files/{file_id}/content", "bytes"),
    ("files.create", "POST", "/files", "FileObject"),
    ("files.delete", "DELETE", "/files/{file_id}", "FileDeleted"),
    ("files.list", "GET", "/files", "CursorPage[FileObject]"),
    ("files.retrieve", "GET", "/files/{file_id}", "FileObject"),
    ("files.retrieve_content", "GET", "/files/{file_id}/content", "str"),
    ("fine_tuning.alpha.graders.run", "POST", "/fine_tuning/alpha/graders/run", "fine_tuning.alpha.GraderRunResponse"),
    ("fine_tuning.alpha.graders.validate", "POST", "/fine_tuning/alpha/graders/validate", "fine_tuning.alpha.GraderValidateResponse"),
    ("fine_tuning.checkpoints.permissions.create", "POST", "/fine_tuning/checkpoints/{fine_tuned_model_checkpoint}/permissions", "Page[fine_tuning.checkpoints.PermissionCreateResponse]"),
    ("fine_tuning.checkpoints.permissions.delete", "DELETE", "/fine_tuning/checkpoints/{fine_tuned_model_checkpoint}/permissions/{permission_id}", "fine_tuning.checkpoints.PermissionDeleteResponse"),
    ("fine_tuning.checkpoints.permissions.list", "GET", "/fine_tuning/checkpoints/{fine_tuned_model_checkpoint}/permissions", "ConversationCursorPage[fine_tuning.checkpoints.PermissionListResponse]"),
    ("fine_tuning.checkpoints.permissions.retrieve", "GET", "/fine_tuning/checkpoints/{fine_tuned_model_checkpoint}/permissions", "fine_tuning.checkpoints.PermissionRetrieveResponse"),
    ("fine_tuning.jobs.cancel", "POST", "/fine_tuning/jobs/{fine_tuning_job_id}/cancel", "fine_tuning.FineTuningJob"),
    ("fine_tuning.jobs.checkpoints.list", "GET", "/fine_tuning/jobs/{fine_tuning_job_id}/checkpoints", "CursorPage[fine_tuning.jobs.FineTuningJobCheckpoint]"),
    ("fine_tuning.jobs.create", "POST", "/fine_tuning/jobs", "fine_tuning.FineTuningJob"),
    ("fine_tuning.jobs.list", "GET", "/fine_tuning/jobs", "CursorPage[fine_tuning.FineTuningJob]"),
    ("fine_tuning.jobs.list_events", "GET", "/fine_tuning/jobs/{fine_tuning_job_id}/events", "CursorPage[fine_tuning.FineTuningJobEvent]"),
    ("fine_tuning.jobs.pause", "POST", "/fine_tuning/jobs/{fine_tuning_job_id}/pause", "fine_tuning.FineTuningJob"),
    ("fine_tuning.jobs.resume", "POST", "/fine_tuning/jobs/{fine_tuning_job_id}/resume", "fine_tuning.FineTuningJob"),
    ("fine_tuning.jobs.retrieve", "GET", "/fine_tuning/jobs/{fine_tuning_job_id}", "fine_tuning.FineTuningJob"),
    ("images.create_variation", "POST", "/images/variations", "ImagesResponse"),
    ("images.edit", "POST", "/images/edits", "ImagesResponse"),
    ("images.generate", "POST", "/images/generations", "ImagesResponse"),
    ("live.connect", "WS", "/live/sessions", "audio.Transcription"),
    ("live.create", "POST", "/live/sessions", "live.LiveCreateResponse"),
    ("live.forks.connect", "WS", "/live/sessions/{session_id}/fork", "audio.Transcription"),
    ("live.sessions.accept", "POST", "/live/sessions/{session_id}/accept", "None"),
    ("live.sessions.download_recording", "GET", "/live/sessions/{session_id}/content", "bytes"),
    ("live.sessions.fork", "POST", "/live/sessions/{session_id}/fork", "live.SessionForkResponse"),
    ("live.sessions.hangup", "POST", "/live/sessions/{session_id}/hangup", "None"),
    ("live.sessions.refer", "POST", "/live/sessions/{session_id}/refer", "None"),
    ("live.sessions.reject", "POST", "/live/sessions/{session_id}/reject", "None"),
    ("live.sideband.connect", "WS", "/live/sessions/{session_id}/attach", "audio.Transcription"),
    ("models.delete", "DELETE", "/models/{model}", "ModelDeleted"),
    ("models.list", "GET", "/models", "Page[Model]"),
    ("models.retrieve", "GET", "/models/{model}", "Model"),
    ("moderations.create", "POST", "/moderations", "ModerationCreateResponse"),
    ("realtime.calls.accept", "POST", "/realtime/calls/{call_id}/accept", "None"),
    ("realtime.calls.create", "POST", "/realtime/calls", "bytes"),
    ("realtime.calls.hangup", "POST", "/realtime/calls/{call_id}/hangup", "None"),
    ("realtime.calls.refer", "POST", "/realtime/calls/{call_id}/refer", "None"),
    ("realtime.calls.reject", "POST", "/realtime/calls/{call_id}/reject", "None"),
    ("realtime.client_secrets.create", "POST", "/realtime/client_secrets", "realtime.ClientSecretCreateResponse"),
    ("realtime.connect", "WS", "/realtime", "realtime.RealtimeResponse"),
    ("realtime.translations.client_secrets.create", "POST", "/realtime/translations/client_secrets", "realtime.RealtimeTranslationClientSecretCreateResponse"),
    ("realtime.translations.connect", "WS", "/realtime/translations", "audio.Transcription"),
    ("responses.cancel", "POST", "/responses/{response_id}/cancel", "responses.Response"),
    ("responses.compact", "POST", "/responses/compact", "responses.CompactedResponse"),
    ("responses.connect", "WS", "/responses", "responses.Response"),
    ("responses.create", "POST", "/responses", "responses.Response"),
    ("responses.delete", "DELETE", "/responses/{response_id}", "None"),
    ("responses.input_items.list", "GET", "/responses/{response_id}/input_items", "CursorPage[responses.ResponseItem]"),
    ("responses.input_tokens.count", "POST", "/responses/input_tokens", "responses.InputTokenCountResponse"),
    ("responses.retrieve", "GET", "/responses/{response_id}", "responses.Response"),
    ("safety.alerts.retrieve", "GET", "/safety/alerts/{id}", "safety.SafetyAlert"),
    ("safety.cases.retrieve", "GET", "/safety/cases/{id}", "safety.SafetyCase"),
    ("skills.content.retrieve", "GET", "/skills/{skill_id}/content", "bytes"),
    ("skills.create", "POST", "/skills", "Skill"),
    ("skills.delete", "DELETE", "/skills/{skill_id}", "DeletedSkill"),
    ("skills.list", "GET", "/skills", "CursorPage[Skill]"),
    ("skills.retrieve", "GET", "/skills/{skill_id}", "Skill"),
    ("skills.update", "POST", "/skills/{skill_id}", "Skill"),
    ("skills.versions.content.retrieve", "GET", "/skills/{skill_id}/versions/{version}/content", "bytes"),
    ("skills.versions.create", "POST", "/skills/{skill_id}/versions", "skills.SkillVersion"),
    ("skills.versions.delete", "DELETE", "/skills/{skill_id}/versions/{version}", "skills.DeletedSkillVersion"),
    ("skills.versions.list", "GET", "/skills/{skill_id}/versions", "CursorPage[skills.SkillVersion]"),
    ("skills.versions.retrieve", "GET", "/skills/{skill_id}/versions/{version}", "skills.SkillVersion"),
    ("uploads.cancel", "POST", "/uploads/{upload_id}/cancel", "Upload"),
    ("uploads.complete", "POST", "/uploads/{upload_id}/complete", "Upload"),
    ("uploads.create", "POST", "/uploads", "Upload"),
    ("uploads.parts.create", "POST", "/uploads/{upload_id}/parts", "uploads.UploadPart"),
    ("vector_stores.create", "POST", "/vector_stores", "VectorStore"),
    ("vector_stores.delete", "DELETE", "/vector_stores/{vector_store_id}", "VectorStoreDeleted"),
    ("vector_stores.file_batches.cancel", "POST", "/vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel", "vector_stores.VectorStoreFileBatch"),
    ("vector_stores.file_batches.create", "POST", "/vector_stores/{vector_store_id}/file_batches", "vector_stores.VectorStoreFileBatch"),
    ("vector_stores.file_batches.list_files", "GET", "/vector_stores/{vector_store_id}/file_batches/{batch_id}/files", "CursorPage[vector_stores.VectorStoreFile]"),
    ("vector_stores.file_batches.retrieve", "GET", "/vector_stores/{vector_store_id}/file_batches/{batch_id}", "vector_stores.VectorStoreFileBatch"),
    ("vector_stores.files.content", "GET", "/vector_stores/{vector_store_id}/files/{file_id}/content", "Page[vector_stores.FileContentResponse]"),
    ("vector_stores.files.create", "POST", "/vector_stores/{vector_store_id}/files", "vector_stores.VectorStoreFile"),
    ("vector_stores.files.delete", "DELETE", "/vector_stores/{vector_store_id}/files/{file_id}", "vector_stores.VectorStoreFileDeleted"),
    ("vector_stores.files.list", "GET", "/vector_stores/{vector_store_id}/files", "CursorPage[vector_stores.VectorStoreFile]"),
    ("vector_stores.files.retrieve", "GET", "/vector_stores/{vector_store_id}/files/{file_id}", "vector_stores.VectorStoreFile"),
    ("vector_stores.files.update", "POST", "/vector_stores/{vector_store_id}/files/{file_id}", "vector_stores.VectorStoreFile"),
    ("vector_stores.list", "GET", "/vector_stores", "CursorPage[VectorStore]"),
    ("vector_stores.retrieve", "GET", "/vector_stores/{vector_store_id}", "VectorStore"),
    ("vector_stores.search", "POST", "/vector_stores/{vector_store_id}/search", "Page[VectorStoreSearchResponse]"),
    ("vector_stores.update", "POST", "/vector_stores/{vector_store_id}", "VectorStore"),
    ("videos.create", "POST", "/videos", "Video"),
    ("videos.create_character", "POST", "/videos/characters", "VideoCreateCharacterResponse"),
    ("videos.delete", "DELETE", "/videos/{video_id}", "VideoDeleteResponse"),
    ("videos.download_content", "GET", "/videos/{video_id}/content", "bytes"),
    ("videos.edit", "POST", "/videos/edits", "Video"),
    ("videos.extend", "POST", "/videos/extensions", "Video"),
    ("videos.get_character", "GET", "/videos/characters/{character_id}", "VideoGetCharacterResponse"),
    ("videos.list", "GET", "/videos", "ConversationCursorPage[Video]"),
    ("videos.remix", "POST", "/videos/{video_id}/remix", "Video"),
    ("videos.retrieve", "GET", "/videos/{video_id}", "Video"),
    ("webhooks.create", "POST", "/webhook_endpoints", "webhooks.WebhookEndpointWithSecret"),
    ("webhooks.delete", "DELETE", "/webhook_endpoints/{webhook_endpoint_id}", "webhooks.DeletedWebhookEndpoint"),
    ("webhooks.event_types.list", "GET", "/webhook_event_types", "webhooks.WebhookEventTypeList"),
    ("webhooks.list", "GET", "/webhook_endpoints", "CursorPage[webhooks.WebhookEndpoint]"),
    ("webhooks.retrieve", "GET", "/webhook_endpoints/{webhook_endpoint_id}", "webhooks.WebhookEndpoint"),
    ("webhooks.rotate_secret", "POST", "/webhook_endpoints/{webhook_endpoint_id}/rotate_secret", "webhooks.WebhookEndpointWithSecret"),
    ("webhooks.test", "POST", "/webhook_endpoints/{webhook_endpoint_id}/test", "webhooks.WebhookEndpointTestResult"),
    ("webhooks.update", "POST", "/webhook_endpoints/{webhook_endpoint_id}", "webhooks.WebhookEndpoint"),
)
# fmt: on


# The SDK's helpers, by the endpoint they post to. The other endpoints that a helper calls (`retrieve` to poll,
# `files.create` to attach a file) have rows of their own.
_HELPER_ENDPOINTS = {
    "beta.chat.completions.parse": "chat.completions.create",
    "beta.chat.completions.stream": "chat.completions.create",
    "beta.threads.create_and_run_poll": "beta.threads.create_and_run",
    "beta.threads.create_and_run_stream": "beta.threads.create_and_run",
    "beta.threads.runs.create_and_poll": "beta.threads.runs.create",
    "beta.threads.runs.create_and_stream": "beta.threads.runs.create",
    "beta.threads.runs.poll": "beta.threads.runs.retrieve",
    "beta.threads.runs.stream": "beta.threads.runs.create",
    "beta.threads.runs.submit_tool_outputs_and_poll": "beta.threads.runs.submit_tool_outputs",
    "beta.threads.runs.submit_tool_outputs_stream": "beta.threads.runs.submit_tool_outputs",
    "beta.agents.environments.files.upload": "beta.agents.environments.files.create",
    "beta.agents.sessions.artifacts.for_result": "beta.agents.sessions.artifacts.list",
    "beta.agents.sessions.stream": "beta.agents.sessions.events.create",
    "chat.completions.parse": "chat.completions.create",
    "chat.completions.stream": "chat.completions.create",
    "files.wait_for_processing": "files.retrieve",
    "responses.parse": "responses.create",
    "responses.stream": "responses.create",
    "uploads.upload_file_chunked": "uploads.create",
    "vector_stores.file_batches.create_and_poll": "vector_stores.file_batches.create",
    "vector_stores.file_batches.poll": "vector_stores.file_batches.retrieve",
    "vector_stores.file_batches.upload_and_poll": "vector_stores.file_batches.create",
    "vector_stores.files.create_and_poll": "vector_stores.files.create",
    "vector_stores.files.poll": "vector_stores.files.retrieve",
    "vector_stores.files.upload": "vector_stores.files.create",
    "vector_stores.files.upload_and_poll": "vector_stores.files.create",
    "videos.create_and_poll": "videos.create",
    "videos.poll": "videos.retrieve",
}


@functools.cache
def _rows() -> Mapping[str, _Row]:
    """Return the rows of the installed SDK release by dotted name.

    A row may have no method in the SDK; `_sdk_has_method` checks that.
    """
    import openai

    release = tuple(map(int, re.findall(r"\d+", openai.__version__)[:3]))
    rows = (_Row(*row) for row in _ROUTES)
    return types.MappingProxyType({row.name: row for row in rows if row.since <= release < row.until})


@functools.cache
def _sdk_source(resource: str) -> str:
    """Return the source code of a resource of the SDK, or "" if the SDK doesn't have it.

    The file is read instead of imported, because importing is slow and most callers only search the text.
    """
    resource = re.sub(r"^beta\.chat\b", "chat", resource)  # one resource under two names
    path = f"resources/{resource.replace('.', '/')}"
    module_name = resource.rpartition(".")[2]
    for filename in (f"{path}.py", f"{path}/{module_name}.py"):  # a module, or one in a package of the same name
        with contextlib.suppress(OSError):
            return (pkgutil.get_data("openai", filename) or b"").decode()
    return ""


@functools.cache
def _sdk_has_method(name: str) -> bool:
    """Return True if the installed SDK has a method of this dotted name, and the table has a row for it."""
    resource, _, method = name.rpartition(".")
    is_routed = name in _rows() or _HELPER_ENDPOINTS.get(name) in _rows()
    return is_routed and bool(re.search(rf"^    (async )?def {method}\(", _sdk_source(resource), re.MULTILINE))


@functools.cache
def _is_namespace(name: str) -> bool:
    """Return True if a dotted name is a resource of the installed SDK."""
    return bool(_child_names(_rows(), name) and _sdk_source(name))


def _child_names(names: Iterable[str], prefix: str) -> set[str]:
    """Return the next part of every dotted name below a prefix: `retrieve` of `files.retrieve` below `files`."""
    start = f"{prefix}." if prefix else ""
    return {name[len(start) :].partition(".")[0] for name in names if name.startswith(start)}


@functools.cache
def _canonical_name(name: str) -> str:
    """Return the endpoint that an alias or a helper of the SDK calls: `files.content` for `files.retrieve_content`."""
    row = _rows()[_HELPER_ENDPOINTS.get(name, name)]
    return _find_row(row.method, row.path.partition("?")[0], "beta=true" in row.path)[0].name


@functools.cache
def _endpoint_names(prefix: str = "") -> tuple[str, ...]:
    """Return the dotted names of all methods of the installed SDK below a prefix, including helpers."""
    names = (name for name in itertools.chain(_rows(), _HELPER_ENDPOINTS) if name.startswith(prefix))
    return tuple(name for name in names if _sdk_has_method(name))


@functools.cache
def _rows_by_segments() -> Mapping[tuple[str, bool, int], list[tuple[list[str], _Row]]]:
    """Return the rows, each with the segments of its path, in the order in which a path is compared with them.

    The keys are the method, True if the path ends in `?beta=true`, and the number of segments. Static segments come
    before parameters, and of the rows for one path those below `beta.` come last.
    """
    index: dict[tuple[str, bool, int], list[tuple[list[str], _Row]]] = {}
    for row in sorted(_rows().values(), key=lambda row: (row.path.replace("{", "~"), row.name.startswith("beta."))):
        path, _, query = row.path.partition("?")
        index.setdefault((row.method, bool(query), path.count("/")), []).append((path.split("/"), row))
    return index


@functools.lru_cache(maxsize=4096)
def _find_row(method: str, path: str, beta: bool = False) -> tuple[_Row, Mapping[str, str]] | None:
    """Return the row of a request and its path parameters, or None if no method of the installed SDK sends it.

    method: the HTTP method, or `WS`.
    path: the path below `/v1`, without a query.
    beta: True if the query has `beta=true`. Rows with this query are tried first then, and not at all otherwise.
    If aliases share a method and a path, the result is the first of them.
    """
    segments = path.split("/")
    for with_beta in (True, False) if beta else (False,):
        for pattern, row in _rows_by_segments().get((method, with_beta, path.count("/")), ()):
            params = _match_segments(pattern, segments)
            if params is not None and _sdk_has_method(row.name):
                return row, params
    return None


def _match_segments(pattern: Sequence[str], segments: Sequence[str]) -> dict[str, str] | None:
    """Return the path parameters if all segments match, else None. A parameter matches any segment but an empty one."""
    params = {}
    for expected, segment in zip(pattern, segments, strict=True):
        if expected[:1] == "{" and segment:
            params[expected[1:-1]] = unquote(segment)
        elif expected != segment:
            return None
    return params


def _path_params(path: str) -> tuple[str, ...]:
    """Return the names of the parameters in a path: `file_id` of `/files/{file_id}`."""
    return tuple(re.findall(r"{(\w+)}", path))


@functools.cache
def _sdk_type(path: str) -> Any:
    """Return the SDK's type for the model of a row: `SyncCursorPage[FileObject]` for `"CursorPage[FileObject]"`.

    Return None if the installed release doesn't have the type.
    """
    if path in _BUILTIN_TYPES:
        return _BUILTIN_TYPES[path]
    page, _, item = path.rpartition("[")
    if page:
        import openai.pagination

        return getattr(openai.pagination, f"Sync{page}")[_sdk_type(item[:-1])]
    module, _, name = f"openai.types.{path}".rpartition(".")
    return getattr(importlib.import_module(module), name, None)


_BUILTIN_TYPES: dict[str, Any] = {
    "bytes": bytes,
    "str": str,
    "None": type(None),
}


# ======================================================================================================================
# RESOURCES: what a row does, derived from its shape, and facts about stored objects
# ======================================================================================================================


class _Shape(NamedTuple):
    """The operation of a row, and the objects it operates on."""

    verb: str  # create, list, retrieve, update, delete, action, content, singleton or compute
    resource: str  # the key of the objects in the state
    parent_params: tuple[str, ...] = ()  # path parameters that lead to the resource
    item_param: str = ""  # the path parameter that identifies the object, "" if the path has none


# Resources that cannot be derived from the name of a row, by path.
_COLLECTION_OVERRIDES = {
    "/live/sessions": "live.sessions",
    "/realtime/client_secrets": "realtime.client_secrets",
    "/realtime/translations/client_secrets": "realtime.translations.client_secrets",
    "/videos/characters": "videos.characters",
}


@functools.cache
def _collection_paths() -> Mapping[str, str]:
    """Map the path of each collection to its resource: `/files` to `files`."""
    item_owners: dict[str, str] = {}
    list_owners: dict[str, str] = {}
    action_owners: dict[str, str] = {}
    # of several rows for one path, the last one in this order counts, which has a name without `beta.` if any has
    for row in sorted(_rows().values(), key=lambda row: (row.name.startswith("beta."), row.name), reverse=True):
        path, parent_path, last_segment = _split_path(row)
        owner, _, method = row.name.rpartition(".")
        if last_segment.startswith("{"):
            item_owners[parent_path] = owner
        if row.model.endswith("]") and row.method == "GET":
            list_owners[path] = owner
            if method != "list":
                list_owners[path] = f"{owner}.{method.removeprefix('list_')}"
        if parent_path.endswith("}") and parent_path.count("/") > 1:  # an action on an object of the collection
            action_owners[parent_path.rpartition("/")[0]] = owner
    # the path of an item overrides the path of a list, which overrides the path of an action
    return {**action_owners, **list_owners, **item_owners, **_COLLECTION_OVERRIDES}


def _split_path(row: _Row) -> tuple[str, str, str]:
    """Return the path of a row without its query, the path up to the last segment, and the last segment."""
    path = row.path.partition("?")[0]
    parent_path, _, last_segment = path.rpartition("/")
    return path, parent_path, last_segment


_ITEM_VERBS = {
    "GET": "retrieve",
    "POST": "update",
    "DELETE": "delete",
}
_SINGLETON_METHODS = ("retrieve", "update", "delete")


@functools.cache
def _shape_of(row: _Row) -> _Shape:
    """Derive the shape of a row from its method, path and model alone."""
    path, parent_path, last_segment = _split_path(row)
    params = _path_params(path)
    collections = _collection_paths()
    owner, _, method = row.name.rpartition(".")
    if last_segment.startswith("{"):
        return _Shape(_ITEM_VERBS[row.method], collections[parent_path], params[:-1], params[-1])
    if path in collections:
        verb = "list" if row.method == "GET" else "create"
        return _Shape(verb, collections[path], params)
    item_owner = None
    if parent_path.endswith("}"):
        item_owner = collections.get(parent_path.rpartition("/")[0])
    if method in _SINGLETON_METHODS and not (item_owner and row.model == "bytes"):
        return _Shape("singleton", owner, params)
    if item_owner is None:
        return _Shape("compute", owner, params)
    verb = "compute"
    if row.model == "bytes":
        verb = "content"
    elif row.method == "POST":
        verb = "action"
    return _Shape(verb, item_owner, params[:-1], params[-1])


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class _Resource:
    """Facts about all objects of one resource, derived from its routes and from its row in `_RESOURCES`."""

    name: str
    parent_params: tuple[str, ...]  # path parameters, parents first
    paging: tuple[str, int, int]  # default order, default page size, largest page size
    not_found_message: str = ""  # the message of its 404, with {id}; "" for "No such X object: id"
    not_found_code: str | None = None
    not_found_param: str | None = ""  # the parameter that the 404 names; "" for the one that had the ID
    key_field: str = "id"  # the field that identifies an object below its parents
    # the field that a parameter sets, by the parameter; only if the names differ
    param_aliases: Mapping[str, str] = dataclasses.field(default_factory=dict)
    initial_objects: Callable[[], dict[Any, Any]] | None = None  # returns the objects that exist from the start
    on_delete: Callable[[StateStore, Any, _JSON], None] | None = None  # called with an object that was deleted
    on_expire: Callable[[StateStore, Any, _JSON], None] | None = None  # called with an object that expires

    @functools.cached_property
    def rows(self) -> list[_Row]:
        return [row for row in _rows().values() if _shape_of(row).resource == self.name]

    @functools.cached_property
    def stored_type(self) -> Any:
        """The SDK's type of the stored objects, which is the type of the answer of the call that creates them.

        None if no call creates them, if its answer isn't what is stored, or if the installed SDK lacks the type.
        """
        for row in self.rows:
            if _shape_of(row).verb == "create" and _behavior_of(row.name).stores_answer:
                created_type = _sdk_type(row.model)
                if created_type is not None:
                    return created_type
        return None

    @functools.cached_property
    def response_type(self) -> Any:
        """The model that a response with one object has."""
        rows_by_verb = {_shape_of(row).verb: row for row in self.rows}
        verb = next(verb for verb in ("retrieve", "create", "list", "singleton") if verb in rows_by_verb)
        return _sdk_type(rows_by_verb[verb].model.rpartition("[")[2].removesuffix("]"))

    @functools.cached_property
    def parent(self) -> _Resource | None:
        """The resource whose objects own those of this one: `vector_stores` for `vector_stores.files`."""
        parent = _all_resources().get(self.name.rpartition(".")[0])
        if parent and len(parent.parent_params) == len(self.parent_params) - 1:
            return parent
        return None

    @functools.cached_property
    def descendants(self) -> list[_Resource]:
        """The resources below this one, whose keys begin with the keys of this one: its content and its children."""
        return [resource for name, resource in _all_resources().items() if name.startswith(f"{self.name}.")]

    @property
    def noun(self) -> str:
        plural = self.name.rpartition(".")[2]
        if plural.endswith("ches"):
            return plural.removesuffix("es")
        return plural.removesuffix("s")

    def not_found_error(self, id: Any, param: str) -> _ServiceError:
        """Build the 404 of an object that doesn't exist. `param` is the parameter that had the ID."""
        noun = self.noun.replace("_", " ").title().replace(" ", "")
        message = (self.not_found_message or f"No such {noun} object: {{id}}").format(id=id)
        error_param = param if self.not_found_param == "" else self.not_found_param
        return _ServiceError(404, message, param=error_param, code=self.not_found_code)


# Fields of `_Resource` that cannot be derived from routes. `paging` also applies to the resources below one. The rows
# are at the end of the section of their API.
_RESOURCES: dict[str, dict[str, Any]] = {}


def _extend_table(table: dict[str, Any], rows: Mapping[str, Any]) -> None:
    """Add the rows of one API to a table. Raises `ValueError` for a key that the table already has."""
    if duplicates := table.keys() & rows.keys():
        raise ValueError(f"the table already has rows for {', '.join(sorted(duplicates))}")
    table.update(rows)


# Resources of bytes. Their `parent_params` are in the rows of their API.
_CONTENT_RESOURCES = (
    "beta.agents.sessions.artifacts.content",
    "containers.files.content",
    "files.content",
    "skills.content",
    "skills.versions.content",
    "uploads.parts",
)


@functools.cache
def _all_resources() -> Mapping[str, _Resource]:
    """Return every resource that the state can hold, by name, such as `files`, `vector_stores.files`, `files.content`.

    The names come from the rows, except those whose calls store nothing ("compute"). Stored bytes have no rows.
    """
    shapes = [_shape_of(row) for row in _rows().values()]
    parent_params = {shape.resource: shape.parent_params for shape in shapes if shape.verb != "compute"}
    names = dict.fromkeys([*parent_params, *_CONTENT_RESOURCES])
    return types.MappingProxyType({name: _build_resource(name, parent_params.get(name, ())) for name in names})


def _build_resource(name: str, parent_params: tuple[str, ...]) -> _Resource:
    """Build a resource from what its routes determine and from its row in `_RESOURCES`, which overrides the routes."""
    derived = {"name": name, "parent_params": parent_params, "paging": _find_paging(name)}
    return _Resource(**{**derived, **_RESOURCES.get(name, {})})


def _find_paging(name: str) -> tuple[str, int, int]:
    """Return the order and the page sizes of a resource: its own, else those of the nearest resource above it."""
    while name:
        paging: tuple[str, int, int] | None = _RESOURCES.get(name, {}).get("paging")
        if paging:
            return paging
        name = name.rpartition(".")[0]
    return ("desc", 20, 100)


@functools.cache
def _get_resource(name: str) -> _Resource:
    """Return a resource by its key in the state. For rows that store nothing, build one that has a name only."""
    return _all_resources().get(name) or _build_resource(name, ())


# ======================================================================================================================
# ERRORS: the service's errors, and wording that messages share
# ======================================================================================================================


def _did_you_mean(name: str, names: Iterable[str], cutoff: float = 0.6) -> str:
    """Return a hint for an error message, as in `" Closest: 'create'."`, or "" if no name is similar."""
    matches = difflib.get_close_matches(name, list(names), 1, cutoff)
    return f" Closest: {matches[0]!r}." if matches else ""


def _reject(message: str, param: str | None = None, code: str | None = None, status: int = 400) -> typing.NoReturn:
    """Raise an error of the service, by default a 400."""
    raise _ServiceError(status, message, param=param, code=code)


class _ServiceError(Exception):
    """An error response of the service: its status, and its envelope, the object under `error`."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.envelope = {"message": message, "type": type, "param": param, "code": code}


# Exceptions that reading malformed input raises.
_MALFORMED_INPUT_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def _safe_repr(value: Any) -> str:
    """Return the repr of a value for a message, or the name of its type if Python can't write it.

    It can't write a number of thousands of digits, or a list that is nested too deeply.
    """
    try:
        return repr(value)
    except Exception:
        return f"<{type(value).__name__} without a repr>"


def _short_repr(value: Any) -> str:
    """Return the repr of a value for a message, cut to at most 60 characters."""
    text = _safe_repr(value)
    if len(text) < 60:
        return text
    return f"{text[:57]}..."


def _count_noun(count: int, noun: str) -> str:
    """Return a count with its noun, as in `1 call` or `2 calls`."""
    if count == 1:
        return f"1 {noun}"
    return f"{count} {noun}s"


def _times_text(count: int) -> str:
    """Return a count of events as text: `once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _pretty_json_lines(value: Any) -> list[str]:
    """Return a value as indented JSON with sorted keys, one string per line, to compare two values line by line."""
    return json.dumps(value, indent=2, default=repr, ensure_ascii=False, sort_keys=True).splitlines()


# ======================================================================================================================
# TYPES AND MERGING: a default for every type, and partials merged into it
# ======================================================================================================================


@functools.cache
def _is_pydantic_model(tp: Any) -> bool:
    """Return True if a type is a pydantic model, as the SDK's objects are."""
    import pydantic

    return inspect.isclass(tp) and issubclass(tp, pydantic.BaseModel)


@functools.cache
def _unwrap_type(tp: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a type's origin and arguments, with `Annotated` stripped.

    Both spellings of a union have the origin `typing.Union`. A model is its own origin, and has no arguments.
    """
    origin = typing.get_origin(tp)
    args = typing.get_args(tp)
    if origin is typing.Annotated:
        return _unwrap_type(args[0])
    if origin in (typing.Union, types.UnionType):
        return typing.Union, args
    if _is_pydantic_model(tp):  # tested before the origin, because a page is a generic model
        return tp, ()
    return origin or tp, args


class _Field(NamedTuple):
    """A field of a model of the SDK."""

    type: Any
    required: bool


@functools.cache
def _fields_of(model: Any) -> Mapping[str, _Field]:
    """Return the fields of a model by their names on the wire."""
    if not getattr(model, "__pydantic_fields_complete__", False):  # only then, because rebuilding a model is slow
        model.model_rebuild()
    return {
        field.alias or name: _Field(field.annotation, field.is_required()) for name, field in model.model_fields.items()
    }


@functools.cache
def _wire_names_of(model: Any) -> Mapping[str, str]:
    """Map the Python names of a model's fields to their names on the wire where these differ: `schema_` to `schema`."""
    return {name: field.alias for name, field in model.model_fields.items() if field.alias}


@functools.cache
def _required_fields_of(model: Any) -> frozenset[str]:
    """Return the names of a model's required fields."""
    return frozenset(name for name, field in _fields_of(model).items() if field.required)


def _page_item_type(page: Any) -> Any:
    """Return the type of a page's items."""
    return _list_item_type(_fields_of(page)["data"].type)


def _list_item_type(tp: Any) -> Any:
    """Return the item type of `list[X]` or of `list[X] | None`."""
    origin, args = _unwrap_type(tp)
    if origin is typing.Union:
        return _list_item_type(args[0])
    return args[0]


def _union_members(tp: Any) -> tuple[Any, ...]:
    """Return the members of a union. Any other type is its own only member."""
    origin, args = _unwrap_type(tp)
    if origin is typing.Union:
        return args
    return (tp,)


def _literal_values(tp: Any) -> Iterator[str]:
    """Yield the literals that a type accepts. For a union, yield those of all members."""
    origin, args = _unwrap_type(tp)
    if origin is typing.Literal:
        yield from args
    elif origin is typing.Union:
        for member in args:
            yield from _literal_values(member)


@functools.cache
def _literal_fields(model: Any) -> dict[str, tuple[Any, ...]]:
    """Return the fields of a model that accept nothing but literals, each with its literals."""
    literals = {}
    for name, field in _fields_of(model).items():
        origin, args = _unwrap_type(field.type)
        if origin is typing.Literal:
            literals[name] = args
    return literals


def _describe_type(tp: Any) -> str:
    """Describe a type for an error message: `'stop' or 'length'`, `list of a dict of Choice`."""
    origin, args = _unwrap_type(tp)
    if origin is typing.Literal:
        return " or ".join(map(repr, args))
    if origin is typing.Union:
        return " or ".join(_describe_type(member) for member in args)
    if origin is list:
        return f"list of {_describe_type(args[0])}"
    if origin is type(None):
        return "None"
    if _is_pydantic_model(origin):
        return f"a dict of {origin.__name__}"
    return getattr(origin, "__name__", str(origin))


def _model_name(model: Any) -> str:
    """Return a model's name in the tables: `Response` for `BetaResponse`, `CursorPage` for `SyncCursorPage[File]`."""
    return model.__name__.partition("[")[0].removeprefix("Sync").removeprefix("Beta")


def _lookup_model(table: Mapping[str, Any], model: Any, default: Any = None) -> Any:
    """Look up a model in a table by `package.Name`, else by `Name`. Models that share a name need the package."""
    package = model.__module__.removeprefix("openai.types.").rpartition(".")[0]
    return table.get(f"{package}.{model.__name__}", table.get(_model_name(model), default))


# ---- defaults --------------------------------------------------------------------------------------------------------


class _NewId(NamedTuple):
    """A placeholder in a default for an ID, which is a new one in each answer."""

    prefix: str


class _Timestamp(NamedTuple):
    """A placeholder in a default for the time of the answer, plus an offset."""

    offset: int = 0  # seconds


_DEFAULT_TEXT = "This is a mock response."
_DEFAULT_MODEL = "gpt-5.5"


# A white pixel in each image format. These files have no alpha channel.
_BLANK_IMAGES = {
    "gif": base64.b64decode("R0lGODdhAQABAIEAAP///wAAAAAAAAAAACwAAAAAAQABAAAIBAABBAQAOw=="),
    "jpeg": base64.b64decode(
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19iZ2hn"
        "Pk1xeXBkeFxlZ2P/2wBDARESEhgVGC8aGi9jQjhCY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj"
        "Y2P/wAARCAABAAEDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAf/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFAEBAAAAAAAA"
        "AAAAAAAAAAAAAP/EABQRAQAAAAAAAAAAAAAAAAAAAAD/2gAMAwEAAhEDEQA/AKAAD//Z"
    ),
    "png": base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4//8/AAX+Av4zEpUUAAAAAElFTkSuQmCC"
    ),
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><rect width="1" height="1" fill="#fff"/></svg>',
    "webp": base64.b64decode("UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoBAAEAAsBMJaQAA3AA/veMAAA="),
}


# A transparent pixel in the image formats that `background="transparent"` requires, with an alpha channel.
_TRANSPARENT_IMAGES = {
    "png": base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNgYGBgAAAABQABeqhXUAAAAABJRU5ErkJggg=="
    ),
    "webp": base64.b64decode("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA=="),
}


def _blank_image(output_format: Any, background: Any) -> str:
    """Return the default image in base64.

    output_format: a format that the API offers. Any other value stands for a PNG.
    background: `transparent` for an image with an alpha channel, if the format has one.
    """
    images = _BLANK_IMAGES
    if background == "transparent":
        images = _BLANK_IMAGES | _TRANSPARENT_IMAGES
    return base64.b64encode(images.get(str(output_format), images["png"])).decode()


def _write_wav(samples: bytes) -> bytes:
    """Return a WAV file with samples in the service's format: 24 kHz, mono, 16 bit."""
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setframerate(24_000)
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.writeframes(samples)
    return file.getvalue()


_SILENT_SAMPLES = bytes(4800)  # 0.1 seconds at 24 kHz, mono, 16 bit


# Silence in each audio format. The chat API calls the format `pcm16` that the speech API calls `pcm`.
_SILENT_AUDIO = {
    "aac": base64.b64decode("//FYQAF//AEYIAf/8VhAAX/8ARggBw=="),
    "flac": base64.b64decode("ZkxhQ4AAACIJAAkAAAAMAAAMBdwA8AAAAPCQlH40eRVFI/O98+okJTjI//hnCADvWgAAAIO2"),
    "mp3": 2 * (b"\xff\xfb\x90\x00" + bytes(413)),  # two frames, because players do not recognize a single one
    "opus": base64.b64decode(
        "T2dnUwACAAAAAAAAAAAAAAAAAAAAAENewaEBE09wdXNIZWFkAQE4AcBdAAAAAABPZ2dTAAAAAAAAAAAAAAAAAAABAAAA88vQ2wEWT3B1"
        "c1RhZ3MGAAAAZmZtcGVnAAAAAE9nZ1MABPgEAAAAAAAAAAAAAAIAAABSExKCAgMD2P/+2P/+"
    ),
    "pcm": _SILENT_SAMPLES,
    "pcm16": _SILENT_SAMPLES,
    "wav": _write_wav(_SILENT_SAMPLES),
}


def _silent_audio(audio_format: Any) -> bytes:
    """Return silence in an audio format that the API offers. Any other value stands for MP3."""
    return _SILENT_AUDIO.get(str(audio_format), _SILENT_AUDIO["mp3"])


# ID prefixes by model name, without any `Beta` prefix. Other models use their name in snake case. `_ITEM_TYPES` has the
# prefixes of the items of the Responses API.
_ID_PREFIXES: dict[str, str] = {}


# ID prefixes by the name of a field that refers to another object. Other fields use their own name: `thread_id` has the
# prefix `thread_`.
_ID_PREFIXES_BY_FIELD = {
    "assistant_id": "asst_",
    "container_id": "cntr_",
    "file_id": "file-",
    "fine_tuning_job_id": "ftjob-",
    "input_file_id": "file-",
    "message_id": "msg_",
    "organization_id": "org-",
    "project_id": "proj_",
    "response_id": "resp_",
    "session_id": "sess_",
    "tool_call_id": "call_",
    "training_file": "file-",
    "user_id": "user-",
    "vector_store_id": "vs_",
}


# Defaults of required fields by name, for every model. The default of any other required string is the field's name.
_DEFAULTS_BY_FIELD = {
    "arguments": "{}",
    "created": _Timestamp(),
    "deleted": True,
    "email": "user@example.com",
    "endpoint": "/v1/chat/completions",
    "completion_window": "24h",
    "expires_at": _Timestamp(3600),
    "filename": "file.txt",
    "instructions": "",
    "language": "en",
    "model": _DEFAULT_MODEL,
    "name": "",
    "owned_by": "openai",
    "parallel_tool_calls": True,
    "path": "/mnt/data/file.txt",
    "report_url": "https://platform.openai.com/evaluations",
    "size": "1024x1024",
    "text": _DEFAULT_TEXT,
    "tool_choice": "auto",
    "url": "https://example.com",
}


# Settings of a generated image that the request doesn't set.
_IMAGE_DEFAULTS = {
    "background": "opaque",
    "output_format": "png",
    "quality": "high",
    "size": "1024x1024",
}


# Defaults by model, merged into the defaults of its types: final statuses, texts, numbers. A name like "Page" means
# every `Page[Model]`. Fields that the model doesn't have are sent too, and fields set to `...` are omitted. Items of the
# Responses API have their defaults in `_ITEM_TYPES`.
_DEFAULTS_BY_SDK_MODEL: dict[str, _JSON] = {
    "ConversationCursorPage": {
        "object": "list",
        "first_id": None,
        "last_id": None,
        "has_more": False,
    },
    "CursorPage": {
        "object": "list",
        "first_id": None,
        "last_id": None,
        "has_more": False,
    },
    "NextCursorPage": {
        "object": "list",
        "next": None,
        "has_more": False,
    },
    "Page": {
        "object": "list",
        "has_more": False,
    },
    "TokenPage": {
        "object": "list",
        "next": None,
        "has_more": False,
    },
    "openai.SyncPage[Model]": {
        "object": "list",
    },
}


@functools.cache
def _default_value(tp: Any) -> Any:
    """Return the default of a type as JSON, with the placeholders `_NewId` and `_Timestamp`, which `_fill_placeholders` replaces.

    The value is cached. Callers copy it before they change it.
    """
    origin, args = _unwrap_type(tp)
    if _is_pydantic_model(origin):
        return _default_object(origin)
    if origin is typing.Union:
        if type(None) in args:
            return None
        return _default_value(args[0])
    if origin is typing.Literal:
        return args[0]
    if origin in (list, dict, str, int, float, bool):
        return origin()
    return {object: {}, bytes: b"mock content"}.get(origin)


def _default_object(model: Any) -> _JSON:
    """Build the default of a model: its row in `_DEFAULTS_BY_SDK_MODEL`, merged into the defaults of its fields."""
    fields = _fields_of(model)
    model_defaults = _lookup_model(_DEFAULTS_BY_SDK_MODEL, model, {})
    # within other objects, the service omits optional fields that are null
    omits_nulls = not _is_response_model(model)
    field_defaults = {}
    for name, field in fields.items():
        if model_defaults.get(name) is ...:
            continue
        value = _field_default(model, name)
        if value is None and omits_nulls and not field.required:
            continue
        field_defaults[name] = value
    known_defaults = {}
    for name, value in model_defaults.items():
        if value is not ... and _is_known_value(model, name, value):
            known_defaults[name] = value
    return _merge_into(field_defaults, model, known_defaults, _model_name(model))


@functools.cache
def _field_default(model: Any, name: str) -> Any:
    """Return the default of a model's field.

    An optional field is null or empty, except `id`, `deleted` and a `status` that can be `completed`.
    """
    tp, required = _fields_of(model)[name]
    if name == "status" and "completed" in _literal_values(tp):
        return "completed"
    if not required and name not in ("id", "deleted"):
        if _unwrap_type(tp)[0] is typing.Union:
            return None
        return _default_value(tp)
    suggested = _default_by_name(model, name)
    if suggested is not None and _accepts(tp, suggested):
        return suggested
    return _default_value(tp)


def _default_by_name(model: Any, name: str) -> Any:
    """Return the default that a field's name suggests, whatever its type. If no rule applies, return the name."""
    if name == "id":
        return _NewId(_id_prefix(model))
    if name in _DEFAULTS_BY_FIELD:
        return _DEFAULTS_BY_FIELD[name]
    if name in _ID_PREFIXES_BY_FIELD:
        return _NewId(_ID_PREFIXES_BY_FIELD[name])
    if name.endswith("_id"):
        return _NewId(f"{name.removesuffix('_id')}_")
    if name.endswith("_at"):
        return _Timestamp()
    return name


def _id_prefix(model: Any) -> str:
    """Return the prefix of a model's IDs: its row in `_ID_PREFIXES`, else its name in snake case."""
    snake_case = re.sub(r"(?<!^)(?=[A-Z][a-z])", "_", f"{_model_name(model)}_").lower()
    return _lookup_model(_ID_PREFIXES, model) or snake_case


def _is_known_value(model: Any, name: str, value: Any) -> bool:
    """Return False for a string that the field rejects. Spellings change between releases, as `in_memory` did."""
    if not isinstance(value, str) or name not in _fields_of(model):
        return True
    return _accepts(_fields_of(model)[name].type, value)


def _accepts(tp: Any, value: Any) -> bool:
    """Return True if a type accepts a value. `_NewId` counts as a string, and `_Timestamp` as an integer."""
    sample: Any = value
    if isinstance(value, _NewId):
        sample = ""
    elif isinstance(value, _Timestamp):
        sample = 0
    try:
        _merge(tp, sample, "")
    except ValueError:
        return False
    return True


def _is_response_model(model: Any) -> bool:
    """Return True if a call returns the model itself, or a page of it."""
    package = model.__module__.removeprefix("openai.types").rpartition(".")[0]
    return f"{package}.{model.__name__}".lstrip(".") in _response_models()


@functools.cache
def _response_models() -> frozenset[str]:
    """Return the models of all rows as `package.Name`. For a page, it is the model of its items."""
    return frozenset(row.model.rpartition("[")[2].rstrip("]") for row in _rows().values())


# ---- merge: a value into the default of its type ---------------------------------------------------------------------


class _MergeMode(NamedTuple):
    """Settings of `_merge`, which depend on where a value comes from."""

    fills_optional_fields: bool  # add the defaults of all missing fields, instead of only required and null ones
    # "check" keeps a key unless it looks like a misspelt field
    unknown_keys: typing.Literal["check", "keep", "drop", "reject"]
    skips_nulls: bool  # use the default instead of a null or of a value in `_NOT_ECHOED`
    converts_scalars: bool  # convert strings to numbers if the type is a number
    accepts_new_values: bool  # accept nulls, literals and dicts that the SDK's types don't have


# A partial that a test set.
_PARTIAL_MODE = _MergeMode(
    fills_optional_fields=True,
    unknown_keys="check",
    skips_nulls=False,
    converts_scalars=False,
    accepts_new_values=False,
)


# Part of a request. Its types are similar to those of the response, and in a form all values are strings.
_REQUEST_MODE = _MergeMode(
    fills_optional_fields=True,
    unknown_keys="drop",
    skips_nulls=True,
    converts_scalars=True,
    accepts_new_values=False,
)


# A recorded object. Its values stay as the service sent them, at every depth.
_COMPLETE_MODE = _MergeMode(
    fills_optional_fields=False,
    unknown_keys="keep",
    skips_nulls=False,
    converts_scalars=False,
    accepts_new_values=True,
)


def _merge(tp: Any, value: Any, place: str, mode: _MergeMode = _PARTIAL_MODE) -> Any:
    """Merge a value into the default of its type, at every depth.

    tp: the type, such as a model of the SDK, a union or a list of models.
    value: a dict with some of the fields, a model, a list of these, or a scalar. It is not changed.
    place: the name of the value in errors, such as `chat.completions.create.response`.
    mode: where the value comes from. A complete object within a partial is merged as `_COMPLETE_MODE`.
    Returns new JSON that `tp` accepts. The placeholders `_NewId` and `_Timestamp` stay, for `_fill_placeholders` to replace.
    Raises `ValueError` if the type does not accept the value. The message has the place, the value and the type.
    """
    if type(value) is tp and tp in (str, bool):  # a fast path, because most values are such scalars
        return value
    if type(value) is tp and tp is int and _is_finite(value):
        return value
    if isinstance(value, (_NewId, _Timestamp)):
        return value
    if _is_pydantic_model(type(value)):
        value = value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    origin, args = _unwrap_type(tp)
    if origin is typing.Union:
        return _merge_union(tp, args, value, place, mode)
    if isinstance(value, Mapping) and _is_pydantic_model(origin):
        if mode is _PARTIAL_MODE and _is_complete(origin, value):
            mode = _COMPLETE_MODE
        base = _default_value(origin) if mode.fills_optional_fields else _required_defaults(origin)
        return _merge_into(base, origin, value, place, mode)
    if isinstance(value, Mapping) and origin is dict:
        return {key: _merge(args[1], item, f"{place}[{key!r}]", mode) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and origin is list:
        return [_merge_item(args[0], item, i, place, mode) for i, item in enumerate(value)]
    return _merge_scalar(tp, origin, value, place, mode)


# Request fields that responses don't echo, by model: only with this value, or with any value (`...`).
_NOT_ECHOED: dict[str, _JSON] = {}


def _is_complete(model: Any, value: Mapping[str, Any]) -> bool:
    """Return True if a dict looks recorded or copied: it has an `object`, and lacks at most one required field."""
    return "object" in value and len(_required_fields_of(model) - value.keys()) <= 1


@functools.cache
def _required_defaults(model: Any) -> _JSON:
    """Return those fields of a model's default that are required or null."""
    required = _required_fields_of(model)
    return {name: value for name, value in _default_value(model).items() if name in required or value is None}


def _merge_into(
    base: Mapping[str, Any], model: Any, value: Mapping[str, Any], place: str, mode: _MergeMode = _PARTIAL_MODE
) -> _JSON:
    """Merge a dict into an object of a model, and add the fields that follow from others.

    base: the defaults of fields that `value` lacks. It is not changed.
    value: fields by their names in Python or on the wire. It may have keys that are not fields of the model.
    place, mode: see `_merge`.
    Raises `ValueError` for an item that its field does not accept, and for a misspelt key if `mode` checks keys.
    """
    fields = _fields_of(model)
    wire_names = _wire_names_of(model)
    _check_keys(value, place)
    explicit = {wire_names.get(key, key): item for key, item in value.items()}
    if mode.skips_nulls:
        explicit = _echoed_fields(model, explicit)
    merged = {}
    for name, item in base.items():
        if name not in explicit:
            merged[name] = _copy_json(item)
    for key, item in explicit.items():
        if key in fields:
            merged[key] = _merge(fields[key].type, item, f"{place}.{key}", mode)
        elif mode.unknown_keys != "drop":
            if mode.unknown_keys == "check":
                _check_sibling_output(model, key, place)
                _check_spelling(key, fields, place)
            elif mode.unknown_keys == "reject":
                raise ValueError(f"{place} has no field {key!r}")
            merged[key] = _to_json(item, f"{place}.{key}")
    return merged | _implied_fields(model, merged, explicit)


def _echoed_fields(model: Any, explicit: Mapping[str, Any]) -> _JSON:
    """Return the fields of a request except nulls and those that a response does not echo."""
    not_echoed = _lookup_model(_NOT_ECHOED, model, {})
    echoed = {}
    for key, item in explicit.items():
        if item is not None and not_echoed.get(key) not in (..., item):
            echoed[key] = item
    return echoed


def _check_keys(value: Mapping[Any, Any], place: str) -> None:
    """Raise `ValueError` for a key that is not a string."""
    for key in value:
        if not isinstance(key, str):
            raise ValueError(f"{place} has the key {key!r}; expected the name of a field, which is a string")


class _MisspeltKeyError(ValueError):
    """An error about a key that is almost the name of a field."""


# The names that chat completions and responses have for the same field of an answer.
_SIBLING_FIELDS = {
    "completion_tokens": "output_tokens",
    "completion_tokens_details": "output_tokens_details",
    "created": "created_at",
    "created_at": "created",
    "input_tokens": "prompt_tokens",
    "input_tokens_details": "prompt_tokens_details",
    "output_tokens": "completion_tokens",
    "output_tokens_details": "completion_tokens_details",
    "prompt_tokens": "input_tokens",
    "prompt_tokens_details": "input_tokens_details",
}


# Fields for the output of a model that belong to another API, by model.
_SIBLING_OUTPUT_FIELDS = {
    "ChatCompletion": ("output", "output_text"),
    "Response": ("choices", "output_text"),
}


def _check_sibling_output(model: Any, key: str, place: str) -> None:
    """Raise `_MisspeltKeyError` for a key in which another API, or a property of the SDK, has the output of the model."""
    if key in _lookup_model(_SIBLING_OUTPUT_FIELDS, model, ()):
        raise _MisspeltKeyError(
            f'{place} has no field {key!r}; for an answer with a text, set the text itself: {place} = "Hi"'
        )


def _check_spelling(key: str, fields: Collection[str], place: str) -> None:
    """Raise `_MisspeltKeyError` for a key that is almost the name of a field, or its name in the sibling API."""
    sibling = _SIBLING_FIELDS.get(key)
    if sibling in fields:
        raise _MisspeltKeyError(f"{place} has no field {key!r}; did you mean {sibling!r}?")
    matches = difflib.get_close_matches(key, fields, 1, 0.85)
    if not matches:
        matches = [field for field in fields if sorted(field) == sorted(key)]  # swapped letters, as in `tpye`
    if matches:
        raise _MisspeltKeyError(f"{place} has no field {key!r}; did you mean {matches[0]!r}?")


def _merge_item(tp: Any, value: Any, position: int, place: str, mode: _MergeMode) -> Any:
    """Merge an item of a list. If its model has an `index` that `value` doesn't set, set it to the position.

    Raises `ValueError` as `_merge` does, and for an item without a field of a member if the items are a union.
    """
    if mode.unknown_keys == "check" and isinstance(value, Mapping):
        _check_has_known_key(tp, value, f"{place}[{position}]")
    merged = _merge(tp, value, f"{place}[{position}]", mode)
    if isinstance(merged, dict) and "index" in merged and isinstance(value, Mapping) and "index" not in value:
        merged["index"] = position
    return merged


def _merge_scalar(tp: Any, origin: Any, value: Any, place: str, mode: _MergeMode) -> Any:
    """Check a value that `_merge` doesn't merge any further, and return it as JSON.

    It is a scalar, any JSON for the type `Any`, or a dict or list that doesn't fit the type.
    tp, origin: the type, and its origin as `_unwrap_type` returns it.
    value, place, mode: see `_merge`.
    Raises `ValueError` if the type doesn't accept the value, unless the mode accepts values newer than the SDK's types.
    """
    if origin in (object, Any):
        return _to_json(value, place)
    if isinstance(value, (int, float)) and not _is_finite(value):
        raise ValueError(f"{place} is {_safe_repr(value)}, which is not valid JSON")
    try:
        return _validated_scalar(tp, origin, value, place, mode)
    except ValueError:
        if mode.accepts_new_values and _may_be_new(origin, value):
            return value
        raise ValueError(f"{place} is {_safe_repr(value)}; expected {_describe_type(tp)}") from None


def _validated_scalar(tp: Any, origin: Any, value: Any, place: str, mode: _MergeMode) -> Any:
    """Validate a scalar and return it, converted if the mode converts scalars.

    Raises `ValueError` if the type does not accept the value. The message is not for users.
    """
    # a list for a list type and a dict for a model were merged before; a validator of pydantic would be slow to reject
    # anything else
    if origin is list or _is_pydantic_model(origin):
        raise ValueError
    converts = mode.converts_scalars and type(value) is not bool  # pydantic would convert a bool to a number
    checked = _type_adapter(tp).validate_python(value, strict=not converts)
    if type(value) is int and place.endswith("_at"):  # the service sends integers even if the SDK's type is float
        return value
    return checked


def _may_be_new(origin: Any, value: Any) -> bool:
    """Return True for a value that the service may send against the SDK's types.

    These are null, a literal of a later release, and a vector in base64.
    """
    return value is None or (isinstance(value, str) and origin in (typing.Literal, list))


@functools.cache
def _type_adapter(tp: Any) -> Any:
    """Return pydantic's validator for a type."""
    import pydantic

    return pydantic.TypeAdapter(tp)


def _accepted_fields(tp: Any, values: Mapping[str, Any]) -> _JSON:
    """Return the values that a model accepts for its fields of the same name, merged as parts of a request.

    Return an empty dict if `tp` is not a model.
    """
    if not _is_pydantic_model(tp):
        return {}
    fields = _fields_of(tp)
    fitting = {}
    for key in values:
        if key not in fields:
            continue
        with contextlib.suppress(ValueError):  # the field has the same name and another meaning
            fitting[key] = _merge(fields[key].type, values[key], key, _REQUEST_MODE)
    return fitting


# ---- the member of a union that accepts a value ----------------------------------------------------------------------


class _UnionModel(NamedTuple):
    """A model that is a member of a union."""

    member: Any  # the type as the union has it, which may be `Annotated`
    keys: frozenset[str]  # the names of the fields, in Python and on the wire
    literals: dict[str, tuple[Any, ...]]  # the literals of the fields that discriminate it: `type`, `role`, `object`


def _merge_union(tp: Any, members: tuple[Any, ...], value: Any, place: str, mode: _MergeMode) -> Any:
    """Merge a value as the first of the selected members that accepts it.

    tp, members: the union, and its members.
    value, place, mode: see `_merge`.
    Raises `ValueError` if no member accepts the value. For a dict it is the error of a misspelt key, or of the member
    that was selected first. For any other value the message describes all members.
    """
    if value is None and type(None) in members:
        return None
    members = _without_none(members)
    if len(members) == 1:
        return _merge(members[0], value, place, mode)
    if mode.unknown_keys == "check" and isinstance(value, Mapping):
        _check_spelling_in_union(members, value, place)
    errors = []
    for member in _select_members(members, value):
        try:
            return _merge(member, value, place, mode)
        except _MisspeltKeyError:  # the next member would keep the key as an unknown one
            raise
        except ValueError as error:
            errors.append(error)
        if mode.unknown_keys == "check":  # another member must not accept as an extra key what this one rejects
            mode = mode._replace(unknown_keys="reject")
    if isinstance(value, Mapping):
        if mode.accepts_new_values:
            return _to_json(value, place)
        if errors:
            raise errors[0]
        _check_literals(members, value, place)
    raise ValueError(f"{place} is {_safe_repr(value)}; expected {_describe_type(tp)}")


def _check_literals(members: tuple[Any, ...], value: Mapping[str, Any], place: str) -> None:
    """Raise `ValueError` for a discriminating field, such as `type`, with a value that no model of a union has.

    The message suggests the closest value, or lists all values if none is close.
    """
    models, _ = _models_and_untyped(members)
    for name in sorted(
        value, key=lambda name: name != "type"
    ):  # the type decides which values the other fields may have
        item = value[name]
        accepting = [model for model in models if item in model.literals.get(name, (item,))]
        if models and not accepting:
            accepted = dict.fromkeys(itertools.chain.from_iterable(model.literals[name] for model in models))
            raise ValueError(f"{place}.{name} is {_safe_repr(item)}; {_describe_literals(item, accepted)}")
        models = accepting


def _describe_literals(value: Any, accepted: Iterable[Any]) -> str:
    """Return the part of an error message that suggests the closest of the accepted literals, or lists all of them."""
    names = [str(literal) for literal in accepted]
    matches = difflib.get_close_matches(value, names, 1, 0.5) if isinstance(value, str) else []
    if matches:
        return f"did you mean {matches[0]!r}?"
    return f"expected {' or '.join(map(repr, names))}"


def _check_spelling_in_union(members: tuple[Any, ...], value: Mapping[str, Any], place: str) -> None:
    """Raise `_MisspeltKeyError` for a key that no possible member of a union has, but that is almost a field of one.

    Without this check, such a key would not count, and the other keys might select another member.
    """
    _check_keys(value, place)
    models, _ = _models_and_untyped(members)
    fields: set[str] = set()
    for model in models:
        if _literals_match(model.literals, value):
            fields.update(model.keys)
    for key in value:
        if key not in fields:
            _check_spelling(key, sorted(fields), place)


def _check_has_known_key(tp: Any, value: Mapping[str, Any], place: str) -> None:
    """Raise `ValueError` for a dict whose keys don't show which of a union's models it is.

    An empty dict is the first model. Any other type than a union of models is not checked.
    """
    members = _without_none(_union_members(tp))
    if not value or len(members) == 1:
        return
    models, untyped = _models_and_untyped(members)
    if untyped or any(value.keys() & model.keys for model in models):
        return
    _check_keys(value, place)
    _check_spelling_in_union(members, value, place)
    hint = ""
    if len(value) == 1:
        path = _find_field_path(_unwrap_type(models[0].member)[0], next(iter(value)))
        if path:
            hint = f"; set {path} instead"
    raise ValueError(f"{place} is {_safe_repr(value)}, which has no known field{hint}")


def _select_members(members: tuple[Any, ...], value: Any) -> Sequence[Any]:
    """Select the members of a union that may accept a value, the best first.

    For a dict, these are the models whose discriminating literals it does not contradict. Of these models, only those
    that have most of its keys as fields are selected, so an unknown key does not exclude a model. Members without
    fields (`dict`, `object`) come last. For a value that is not a dict, return all members.
    """
    if not isinstance(value, Mapping):
        return members
    models, untyped = _models_and_untyped(members)
    selected: list[Any] = []
    max_count = 0
    for model in models:
        if not _literals_match(model.literals, value):
            continue
        count = len(value.keys() & model.keys)
        if count > max_count:
            max_count = count
            selected = []
        if count == max_count:
            selected.append(model.member)
    return [*selected, *untyped]


def _literals_match(literals: Mapping[str, tuple[Any, ...]], value: Mapping[str, Any]) -> bool:
    """Return False if a dict has a discriminating field with a value that is not one of the field's literals."""
    return not any(name in value and value[name] not in accepted for name, accepted in literals.items())


@functools.cache
def _models_and_untyped(members: tuple[Any, ...]) -> tuple[list[_UnionModel], list[Any]]:
    """Return the models among the members of a union, and the members that accept any dict.

    Unions within the union are included. Other members, such as `str`, are in neither list.
    """
    models = []
    untyped = []
    flat_members = itertools.chain.from_iterable(map(_union_members, members))
    for member in dict.fromkeys(flat_members):
        origin, _ = _unwrap_type(member)
        if _is_pydantic_model(origin):
            keys = frozenset((*_fields_of(origin), *_wire_names_of(origin)))
            models.append(_UnionModel(member, keys, _literal_fields(origin)))
        elif origin in (dict, object):
            untyped.append(member)
    return models, untyped


@functools.cache
def _without_none(members: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the members of a union other than None."""
    return tuple(member for member in members if member is not type(None))


def _select_model(tp: Any, value: Mapping[str, Any]) -> Any:
    """Return the model that a dict belongs to: the type itself, or the member selected first if it is a union."""
    origin, args = _unwrap_type(tp)
    if origin is not typing.Union:
        return origin
    selected = _select_members(args, value) or args
    return _unwrap_type(selected[0])[0]


# ---- the place where a key belongs -----------------------------------------------------------------------------------


def _find_field_path(model: Any, key: str) -> str | None:
    """Return the path of the nearest field of this name, such as `choices[0].message.content`.

    Return None if the model and the models nested in it, down to the fourth level, don't have the field.
    """
    level = [(model, "")]
    for _ in range(4):
        required = []
        optional = []
        for tp, path in level:
            fields = _fields_of(tp)
            if key in fields:
                return f"{path}{key}"
            for name, field in fields.items():
                group = required if field.required else optional
                group.append((tp, name, path))
        # required fields first, because they are always present
        level = []
        for tp, name, path in required + optional:
            level.extend(_nested_models(tp, name, path))
    return None


def _nested_models(model: Any, name: str, path: str) -> Iterator[tuple[Any, str]]:
    """Yield the models of a field's value, or of the items if it is a list, each with the prefix of its fields' paths.

    model, name: the field.
    path: the prefix of the paths of the model's own fields, such as `choices[0].`, or "".
    """
    for tp in _union_members(_fields_of(model)[name].type):
        origin, args = _unwrap_type(tp)
        if _is_pydantic_model(origin):
            yield origin, f"{path}{name}."
        elif origin is list:
            for member in _union_members(args[0]):
                item, _ = _unwrap_type(member)
                if _is_pydantic_model(item):
                    yield item, f"{path}{name}[0]."


# ---- fields that follow from others ----------------------------------------------------------------------------------


def _implied_fields(model: Any, merged: _JSON, explicit: Mapping[str, Any]) -> _JSON:
    """Return the fields of an object that follow from its other fields.

    merged: the object with its defaults.
    explicit: the fields that were set, by their names on the wire. They are never in the result.
    """
    implies = _implied_fields_function(model)
    if not implies:
        return {}
    return {key: item for key, item in implies(merged, explicit).items() if key not in explicit}


@functools.cache
def _implied_fields_function(model: Any) -> Callable[[_JSON, Mapping[str, Any]], _JSON] | None:
    """Return the function that computes the implied fields of a model, or None.

    It is the model's row in `_IMPLIED_FIELDS`. A model without a row gets `_implied_by_usage` if it has `total_tokens`.
    """
    function = _lookup_model(_IMPLIED_FIELDS, model)
    if function is None and "total_tokens" in _fields_of(model):
        return _implied_by_usage
    return function


def _implied_by_usage(usage: _JSON, explicit: Mapping[str, Any]) -> _JSON:
    """Return the total of a usage: its input and output tokens, by the field names of either API."""
    if "total_tokens" not in usage:
        return {}
    parts = ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens")
    return {"total_tokens": sum(usage.get(part) or 0 for part in parts)}


def _implied_by_counts(counts: _JSON, explicit: Mapping[str, Any]) -> _JSON:
    """Return the total of the counts of files or results."""
    if "total" not in counts:
        return {}
    parts = ("cancelled", "completed", "errored", "failed", "in_progress", "passed")
    return {"total": sum(counts.get(part) or 0 for part in parts)}


def _implied_by_page(page: _JSON, explicit: Mapping[str, Any]) -> _JSON:
    """Return the first and the last ID of a page with items, if the page has fields for them."""
    ids = [item.get("id") for item in page["data"] if isinstance(item, dict)]
    if not ids:
        return {}
    end_ids = {"first_id": ids[0], "last_id": ids[-1]}
    return {name: id for name, id in end_ids.items() if name in page}


# The functions that compute implied fields, by model. A function gets the merged object and its explicit fields, and
# returns the implied fields. Models with `total_tokens` need no row for it (see `_implied_fields_function`).
_IMPLIED_FIELDS: dict[str, Callable[[_JSON, Mapping[str, Any]], _JSON]] = {
    "ConversationCursorPage": _implied_by_page,
    "ConversationItemList": _implied_by_page,
    "CursorPage": _implied_by_page,
}


# ---- overlay: derived values for what was not set --------------------------------------------------------------------


def _overlay(tp: Any, obj: Any, derived: Any, explicit: Any) -> Any:
    """Put derived values into a JSON value, except for values that the test set, at every depth.

    tp: the type of `obj`.
    obj: the merged value. It is changed, so it must not be shared.
    derived: the values that follow from the call, in the shape of `obj`. Any part of it may be missing. A field that is
        `...` is removed.
    explicit: the values that the test set, in the shape of `obj`. Any part of it may be missing.
    Returns the value. Values that the test set stay. Within a dict or a list that the test set, the missing parts are
    derived. Fields that follow from other fields, such as totals, are computed again. Items of lists correspond by
    position.
    """
    if isinstance(obj, dict) and isinstance(explicit, Mapping):
        model = _select_model(tp, obj)
        if not _is_pydantic_model(model) or _item_types_differ(derived, explicit):
            return obj
        return _overlay_fields(model, obj, derived or {}, explicit)
    if isinstance(obj, list) and isinstance(explicit, (list, tuple)):
        item_type = _list_item_type(tp)
        for i, (item, derived_item, explicit_item) in enumerate(zip(obj, derived, explicit, strict=False)):
            obj[i] = _overlay(item_type, item, derived_item, explicit_item)
    return obj


def _item_types_differ(derived: Mapping[str, Any] | None, explicit: Mapping[str, Any]) -> bool:
    """Return True if the test set an item of another `type` than the derived item, whose fields don't fit then."""
    return bool(explicit.get("type") and derived and explicit["type"] != derived.get("type"))


def _overlay_fields(model: Any, obj: _JSON, derived: Mapping[str, Any], explicit: Mapping[str, Any]) -> _JSON:
    """Put derived fields into an object of a model and return it, as `_overlay` does.

    Within a complete object that the test set, only fields of the model that it lacks are derived.
    """
    fields = _fields_of(model)
    is_complete = _is_complete(model, explicit)
    for key, value in derived.items():
        if is_complete and key not in fields:
            continue
        if key not in explicit and value is ...:
            obj.pop(key, None)
        elif key not in explicit:
            obj[key] = value
        elif isinstance(value, (dict, list)) and key in fields and not is_complete:
            obj[key] = _overlay(fields[key].type, obj[key], value, explicit[key])
    return obj | _implied_fields(model, obj, explicit)


# ---- JSON ------------------------------------------------------------------------------------------------------------


def _to_json(value: Any, place: str) -> Any:
    """Convert a value of an unknown type to JSON. Models become dicts. Raises `ValueError` for any other object.

    Placeholders stay: a default can have fields that the SDK's model lacks.
    """
    if isinstance(value, (_NewId, _Timestamp)):
        return value
    try:
        text = json.dumps(value, default=_model_to_json, allow_nan=False)
        return _limit_depth(json.loads(text), text.count("[") + text.count("{"))
    except (RecursionError, TypeError, ValueError):
        raise ValueError(f"{place} is {_safe_repr(value)}, which is not valid JSON") from None


def _model_to_json(value: Any) -> Any:
    """Convert a model for `json.dumps`. Raises `TypeError` for anything else."""
    if _is_pydantic_model(type(value)):
        return value.model_dump(mode="json", by_alias=True)
    raise TypeError


_json_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _encode_utf8(text: str) -> bytes:
    """Encode JSON as UTF-8. Lone surrogates become JSON escapes, because UTF-8 cannot encode them."""
    return text.encode(errors="backslashreplace")


def _copy_json(value: Any) -> Any:
    """Copy JSON deeply, several times faster than `copy.deepcopy`. The placeholders `_NewId` and `_Timestamp` stay."""
    if type(value) is dict:
        return {key: _copy_json(item) for key, item in value.items()}
    if type(value) is list:
        return [_copy_json(item) for item in value]
    return value


# The number of lists and dicts within each other. Functions that copy JSON would reach Python's limit at about 300.
_MAX_DEPTH = 150


def _limit_depth(value: Any, count: int) -> Any:
    """Return JSON as it is. Raise `ValueError` if it is nested too deeply.

    count: the number of opening brackets in its text, of which most JSON has so few that it can't be nested too deeply.
    """
    if count <= _MAX_DEPTH:
        return value
    level = [value]
    for _ in range(_MAX_DEPTH):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        level = inner
    if any(isinstance(item, (dict, list)) for item in level):
        raise ValueError(f"nested more than {_MAX_DEPTH} levels deep")
    return value


def _get_dict(value: Mapping[str, Any], key: str) -> _JSON:
    """Return the dict under a key, or an empty dict if the key is missing or has another value."""
    inner = value.get(key)
    return inner if isinstance(inner, dict) else {}


def _only_dicts(value: Any) -> list[_JSON]:
    """Return the items of a list that are dicts, or an empty list if the value is not a list."""
    if not isinstance(value, list):
        return []
    return [item for item in value if isinstance(item, dict)]


def _is_finite(number: float) -> bool:
    """Return False for infinities, NaN, and integers that are too large for a float. Not all JSON parsers read them."""
    return -sys.float_info.max <= number <= sys.float_info.max


def _parse_finite(text: str) -> float:
    """Parse a JSON number. Raises `ValueError` for infinities and NaN, which only Python accepts."""
    number = float(text)
    if math.isfinite(number):
        return number
    raise ValueError(f"{text} is not valid JSON")


_json_decode = json.JSONDecoder(parse_float=_parse_finite, parse_constant=_parse_finite).decode


# ======================================================================================================================
# STATE: the metadata of stored objects, their progress and deletion
# ======================================================================================================================


@dataclasses.dataclass(eq=False, repr=False)
class _Metadata:
    """Facts about one object, or about one list of objects, that the service keeps and never shows."""

    pending: list[Any] = dataclasses.field(default_factory=list)  # changes to come; each retrieve applies the next one
    # the status that the pending changes start from; if the object has another one, a test changed it by hand
    expected_status: Any = None
    # True while the pending changes must wait: a fine-tuning job is paused, or the lines of a batch are being answered
    on_hold: bool = False
    set_fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # the fields as the test wrote them
    set_values: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # the same fields as the object got them
    input: list[_JSON] = dataclasses.field(default_factory=list)  # the input items of a response
    created_by: str = ""  # the endpoint that created a run or a session
    events: list[_JSON] = dataclasses.field(default_factory=list)  # the events of a session of an agent, in order
    # the events that a session has not produced yet; to produce one changes the state
    upcoming: list[Iterator[_JSON]] = dataclasses.field(default_factory=list)
    requests: list[_JSON] = dataclasses.field(default_factory=list)  # the requests of a batch, one for each line
    results: list[Any] = dataclasses.field(default_factory=list)  # the results of a batch
    seeded: bool = False  # True if a list has been filled with its initial objects
    # the keys of deleted objects, each with the key before it; a cursor may still be the ID of a deleted object
    tombstones: dict[Any, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(eq=False, repr=False)
class _StoreMetadata:
    """The metadata of a state: that of its objects and lists, and the number of IDs created for each prefix."""

    by_key: dict[tuple[str, Any], _Metadata] = dataclasses.field(default_factory=dict)  # by resource and key
    id_counters: dict[str, int] = dataclasses.field(default_factory=collections.Counter)
    # by endpoint, IDs in the path and idempotency key: the body of the first request, and its answer
    keyed_answers: dict[tuple[str, ...], tuple[bytes, Any]] = dataclasses.field(default_factory=dict)


def _check_state(store: StateStore) -> None:
    """Raise `TypeError` for anything in a state that is not an object of its resource, or not JSON."""
    for name, objects in store.items():
        _check_objects(name, objects)
        if name in _CONTENT_RESOURCES:
            continue
        for key, obj in objects.items():
            try:
                json.dumps(obj)
            except (RecursionError, TypeError, ValueError) as error:
                raise TypeError(f"state[{name!r}][{key!r}] cannot be converted to JSON: {error}") from None


def _check_objects(name: str, objects: Any) -> None:
    """Raise `TypeError` for an entry of a resource that no call could use: a key or a value of the wrong type.

    name: the key of the resource in the state. Raises `KeyError` if there is no such resource.
    objects: the value under this key, which a test may have put there.
    """
    _check_resource_name(name)
    resource = _all_resources()[name]
    expected_type = bytes if name in _CONTENT_RESOURCES else dict
    id_names = list(resource.parent_params)
    if not any(_shape_of(row).verb == "singleton" for row in resource.rows):
        id_names.append("id")
    expected_key = "a string"
    if len(id_names) != 1:
        expected_key = f"a tuple of strings: ({', '.join(id_names)})"
    if not isinstance(objects, Mapping):
        raise TypeError(f"state[{name!r}] is {_short_repr(objects)}; expected a dict of objects by their keys")
    for key, obj in objects.items():
        ids = _to_id_path(key)
        if len(ids) != len(id_names) or not all(isinstance(id, str) for id in ids):
            raise TypeError(f"state[{name!r}] has the key {_short_repr(key)}; expected {expected_key}")
        if not isinstance(obj, expected_type):
            hint = ""
            if expected_type is dict:
                hint = f"; state.{name}.put(...) also accepts a model"
            raise TypeError(f"state[{name!r}][{key!r}] is {_short_repr(obj)}; expected {expected_type.__name__}{hint}")


def _check_resource_name(name: str) -> None:
    if name not in _all_resources():
        raise KeyError(f"no resource {name!r} in the state.{_did_you_mean(str(name), _all_resources())}")


def _to_key(path: tuple[str, ...]) -> Any:
    """Return the key of an object in the state: its ID, or a tuple of the IDs that lead to it if it has parents."""
    if len(path) > 1:
        return path
    return path[0]


def _new_object(path: str, store: StateStore, fields: Mapping[str, Any]) -> _JSON:
    """Build an object of the model at `path` with these fields, and defaults for the missing ones."""
    return _fill_placeholders({**_default_value(_sdk_type(path)), **fields}, store)


def _load_child_objects(store: StateStore, name: str, *parents: str) -> list[_JSON]:
    """Return the objects of a resource below the IDs of parents, in order, with all their fields."""
    return [_load_object(store, _get_resource(name), key) for key in store._children(name, *parents)]


def _load_object(store: StateStore, resource: _Resource, key: Any) -> _JSON:
    """Return a stored object. Add the fields that it lacks, as an object stored by hand may."""
    obj = store[resource.name][key]
    model = resource.stored_type
    if _is_pydantic_model(model) and not obj.keys() >= _required_fields_of(model):
        missing = {name: value for name, value in _default_value(model).items() if name not in obj}
        for name, id in zip((*resource.parent_params, "id"), _to_id_path(key), strict=False):
            if name in missing:
                missing[name] = id
        obj.update(_fill_placeholders(missing, store))
    return obj


def _to_id_path(key: Any) -> tuple[str, ...]:
    """Return the IDs that lead to an object, parents first."""
    if isinstance(key, tuple):
        return key
    return (key,)


_JSON_SCALARS = frozenset((str, int, float, bool, type(None)))


def _fill_placeholders(value: Any, store: StateStore) -> Any:
    """Return a copy of a default or a merged partial, with new IDs and the current time instead of placeholders."""
    value_type = type(value)
    if value_type is dict:
        # scalars are tested here, because a call for each of them would be slower
        return {
            key: item if type(item) in _JSON_SCALARS else _fill_placeholders(item, store) for key, item in value.items()
        }
    if value_type is list:
        return [_fill_placeholders(item, store) for item in value]
    if value_type is _NewId:
        return store._new_id(value.prefix)
    if value_type is _Timestamp:
        return int(time.time()) + value.offset
    return value


def _seed_objects(store: StateStore, resource: _Resource) -> dict[Any, Any]:
    """Return the objects of a resource. At the first call, add the objects that the service has from the start."""
    objects = store[resource.name]
    if resource.initial_objects:
        metadata = store._ensure_metadata(resource.name, ())
        if not metadata.seeded:
            metadata.seeded = True
            for key, obj in resource.initial_objects().items():
                objects.setdefault(key, obj)
    return objects


# ---- progress of unfinished objects ----------------------------------------------------------------------------------


def _advance(store: StateStore, resource: str, key: Any) -> None:
    """Apply the next pending change of an object, and expire the object if it is due.

    Skip the change while the object is paused, or if a test changed its status by hand.
    """
    obj = store[resource].get(key)
    if obj is None:
        return
    metadata = store._get_metadata(resource, key)
    if metadata and metadata.pending and not metadata.on_hold and metadata.expected_status == obj.get("status"):
        changes = metadata.pending.pop(0)
        if callable(changes):
            changes = changes(store, obj)
        obj.update(_with_set_fields(store, resource, key, changes))
        metadata.expected_status = obj.get("status")
    _expire_if_due(store, _get_resource(resource), key)


def _with_set_fields(store: StateStore, resource: str, key: Any, changes: _JSON) -> _JSON:
    """Return changes of an object, but with the values that the test set for it.

    Every change of an object after its creation passes through this function. It works at every depth: in a dict that
    the test set in part, the other keys change, and totals are computed again (see `_overlay`).
    """
    changes = _fill_placeholders(changes, store)
    metadata = store._get_metadata(resource, key)
    if metadata is None or changes.keys().isdisjoint(metadata.set_fields):
        return changes
    set_values = {name: _copy_json(metadata.set_values[name]) for name in changes if name in metadata.set_fields}
    model = _select_model(_get_resource(resource).stored_type, store[resource][key])
    return _overlay_fields(model, set_values, changes, metadata.set_fields)


def _expire_if_due(store: StateStore, resource: _Resource, key: Any) -> None:
    """Expire an object whose time is over: call `on_expire` of its resource, or set an unfinished one to `expired`."""
    if not _has_expired(store, resource, key):
        return
    obj = store[resource.name][key]
    if resource.on_expire:
        resource.on_expire(store, key, obj)
    else:
        _schedule(store, resource.name, key)
        obj["status"] = "expired"


_ACTIVE_STATUSES = {"queued", "in_progress", "requires_action", "cancelling", "validating", "pending", "active"}


def _has_expired(store: StateStore, resource: _Resource, key: Any) -> bool:
    """Return True if the time of an object is over and the object does not show it yet.

    The time is that of the test's clock. Without `on_expire`, only an unfinished object expires. An object keeps the
    status that the test set.
    """
    obj = store[resource.name].get(key)
    if not isinstance(obj, dict):
        return False
    expires_at = obj["expires_at"] if "expires_at" in obj else _last_idle_second(obj)
    if not isinstance(expires_at, int) or expires_at >= time.time() or obj.get("status") == "expired":
        return False
    changes_status = resource.on_expire in (None, _mark_expired)
    metadata = store._get_metadata(resource.name, key)
    if changes_status and metadata and "status" in metadata.set_fields:
        return False
    return resource.on_expire is not None or str(obj.get("status")) in _ACTIVE_STATUSES


def _last_idle_second(obj: Mapping[str, Any]) -> int | None:
    """Return the last second before an object expires that nobody uses, or None if it has no idle timeout."""
    last_active_at = obj.get("last_active_at")
    minutes = _get_dict(obj, "expires_after").get("minutes")
    if isinstance(last_active_at, int) and isinstance(minutes, int):
        return last_active_at + 60 * minutes - 1
    return None


def _schedule(store: StateStore, resource: str, key: Any, *changes: Any) -> None:
    """Set the changes that the next retrieves of an object apply, one each: dicts, or functions that return one."""
    metadata = store._ensure_metadata(resource, key)
    metadata.pending = list(changes)
    metadata.expected_status = store[resource][key].get("status")


def _save_set_fields(store: StateStore, resource: str, key: Any, set_fields: Mapping[str, Any]) -> None:
    """Store which fields of a new object the test set, so that later changes keep their values."""
    store._store_metadata.by_key.pop((resource, key), None)  # of an earlier object with the same key
    if set_fields:
        obj = store[resource][key]
        metadata = store._ensure_metadata(resource, key)
        metadata.set_fields = {name: value for name, value in set_fields.items() if name in obj}
        metadata.set_values = {name: obj[name] for name in metadata.set_fields}


_STATUS_FIELDS = {"status", "error", "incomplete_details", "last_error", "required_action"}


def _discard_set_state(store: StateStore, resource: str, key: Any) -> None:
    """Allow a request to change the status of an object, and the fields set to null, although the test set them."""
    if metadata := store._get_metadata(resource, key):
        null_fields = (name for name, value in metadata.set_fields.items() if value is None)
        _discard_set_fields(store, resource, key, {*_STATUS_FIELDS, *null_fields})


def _discard_set_fields(store: StateStore, resource: str, key: Any, names: Iterable[str]) -> None:
    """Allow fields of an object to change although the test set them, because a request of the application does it."""
    if metadata := store._get_metadata(resource, key):
        metadata.set_fields = {name: value for name, value in metadata.set_fields.items() if name not in names}


def _mark_expired(store: StateStore, key: Any, obj: _JSON) -> None:
    """Set the status of an object to `expired`, whatever it was. Resources use it as `on_expire`."""
    obj["status"] = "expired"


def _has_pending_changes(store: StateStore, resource: str, key: Any) -> bool:
    """Return True if a later retrieve still changes an object."""
    metadata = store._get_metadata(resource, key)
    return bool(metadata and metadata.pending)


_FINAL_STATUSES = {"completed", "failed", "cancelled", "canceled", "expired", "succeeded", "incomplete"}


# ---- deletion --------------------------------------------------------------------------------------------------------


def _delete_object(store: StateStore, resource: _Resource, path: tuple[str, ...]) -> None:
    """Delete an object, the objects below it, and their metadata, and call `on_delete` of their resources.

    path: the IDs that lead to the object. If there is no such object, objects below this path are still deleted.
    """
    key = _to_key(path)
    parents = path[:-1]
    siblings = store._children(resource.name, *parents) if parents else store[resource.name]
    if key in siblings:
        store._ensure_metadata(resource.name, parents).tombstones[key] = _preceding_key(siblings, key)
        if len(siblings) == 1 and not resource.initial_objects:  # a list that has been seeded stays so
            store._store_metadata.by_key.pop((resource.name, parents))
    for descendant in resource.descendants:
        children = [child for child in store.get(descendant.name, ()) if _to_id_path(child)[: len(path)] == path]
        for child in children:
            _remove_object(store, descendant, child)
    _remove_object(store, resource, key)


def _preceding_key(keys: Mapping[Any, Any], key: Any) -> Any:
    """Return the key before another one, or None for the first.

    The search goes from both ends at once, so that a key near either end is found fast.
    """
    forward = itertools.pairwise(itertools.chain([None], keys))
    backward = itertools.pairwise(itertools.chain(reversed(keys), [None]))
    for (front_previous, front), (back, back_previous) in zip(forward, backward, strict=True):
        if front == key:
            return front_previous
        if back == key:
            return back_previous
    return None


def _remove_object(store: StateStore, resource: _Resource, key: Any) -> None:
    """Remove one object, its metadata, and the metadata of the lists below it."""
    obj = store[resource.name].pop(key, None)
    store._store_metadata.by_key.pop((resource.name, key), None)
    for descendant in resource.descendants:
        store._store_metadata.by_key.pop((descendant.name, _to_id_path(key)), None)
    if resource.on_delete and isinstance(obj, dict):
        resource.on_delete(store, key, obj)


# ======================================================================================================================
# CALLS: a request and its decoded body
# ======================================================================================================================


@dataclasses.dataclass(eq=False, repr=False)
class _Call:
    """One API call: a request, and the endpoint it is sent to.

    Treat a call as read-only. Its body and its query are decoded when they are first read.
    """

    mock: OpenAIMock
    row: _Row
    params: Mapping[str, str]  # path parameters
    request: httpx.Request
    deployment: str | None = None  # the deployment in an Azure path
    session: Any = None  # the WebSocket session that received the call as a message

    def __post_init__(self) -> None:
        self.shape = _shape_of(self.row)
        self.behavior = _behavior_of(self.row.name)
        self.resource = _get_resource(self.shape.resource)

    @functools.cached_property
    def body(self) -> _JSON:
        """The decoded body. Raises the 400 of a body that cannot be decoded, or of a form that the endpoint doesn't take."""
        _check_content_type(self)
        return _read_body(self.request, self.deployment)

    @functools.cached_property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(_httpx_request(self.request).raw_url.partition("?")[2], keep_blank_values=True))

    @functools.cached_property
    def all_params(self) -> _JSON:
        """The query, the path parameters and the body as one dict, for rules."""
        return _all_params(self)

    def get_int(self, name: str, default: int) -> int:
        """Return an integer of the body, or the default if it is missing, null or 0. Raise the 400 of another value."""
        return _to_int(name, self.body.get(name) or default)

    @property
    def accepted_params(self) -> Mapping[str, Any]:
        """The SDK's type of each parameter that the call accepts."""
        if self.client_event:
            return _client_event_fields(self.client_event)
        return _param_types(self.row.name)

    @property
    def required_params(self) -> Iterable[str]:
        """The parameters that the call must have. Faster than `accepted_params`, because no types are resolved."""
        if self.client_event:
            return _required_keys(self.client_event)
        return _sdk_method(self.row.name)[1]

    @property
    def client_event(self) -> Any:
        """The SDK's type of a WebSocket message, or None for other calls and for unknown messages."""
        if not self.session:
            return None
        return _client_event_type(self.session.client_events, str(self.body.get("type")))

    @property
    def store(self) -> StateStore:
        return self.mock.state

    @functools.cached_property
    def parent_ids(self) -> tuple[str, ...]:
        """The ids in the path before the resource."""
        return tuple(self.params[name] for name in self.shape.parent_params)

    @property
    def item_id(self) -> str:
        return self.params[self.shape.item_param]

    @property
    def id_path(self) -> tuple[str, ...]:
        """All ids in the path: those of the parents, then the id of the object, if the path has one."""
        if not self.shape.item_param:
            return self.parent_ids
        return (*self.parent_ids, self.item_id)

    @property
    def key(self) -> Any:
        """The key in the state of the object that the path names."""
        return _to_key(self.id_path)

    @property
    def objects(self) -> dict[Any, Any]:
        return _seed_objects(self.store, self.resource)

    @functools.cached_property
    def is_azure(self) -> bool:
        return self.deployment is not None or re.match(_AZURE_BASE, _httpx_request(self.request).raw_url) is not None

    @functools.cached_property
    def input_items(self) -> list[_JSON]:
        """The input of the request as conversation items with ids."""
        return [_to_conversation_item(item, self.store) for item in _to_items(self.body.get(self.behavior.input_param))]

    @property
    def wants_stream(self) -> bool:
        """Return True if the answer is a stream of events."""
        if self.session:
            return True
        if self.row.method == "GET":
            return self.behavior.always_streams or self.query.get("stream") == "true"
        return self.body.get("stream") in (True, "true") or self.body.get("stream_format") == "sse"

    @property
    def response_type(self) -> Any:
        """The SDK's type of the answer, or None if the installed SDK lacks it.

        For some endpoints it depends on the request's `response_format`.
        """
        type_paths = self.behavior.type_paths_by_format
        if type_paths:  # tested first, because reading the body decodes it
            requested_format = self.body.get("response_format")
            if isinstance(requested_format, str) and requested_format in type_paths:
                type_for_format = _sdk_type(type_paths[requested_format])
                if type_for_format:  # an older SDK may lack it
                    return type_for_format
        return _sdk_type(self.row.model)


def _read_body(request: httpx.Request, deployment: str | None) -> _JSON:
    """Return the decoded body. The deployment in an Azure path replaces the model."""
    body = _decode_body(request)
    if deployment:
        return {**body, "model": deployment}
    return body


def _all_params(request: _Call | Record) -> dict[str, Any]:
    """Return the query, the path parameters and the body of a request as one dict. The body overrides the others."""
    return {**_query_params(request.request), **request.params, **request.body}


def _query_params(request: httpx.Request) -> dict[str, Any]:
    """Return a query as a dict, nested in the same way as a form."""
    return _nest_form_fields(parse_qsl(request.url.query.decode(), keep_blank_values=True))


# Endpoints that take a form although the SDK's methods send JSON to them.
_EXTRA_FORM_ENDPOINTS = {"videos.remix"}


_FORM_CONTENT_TYPES = ("multipart/form-data", "application/x-www-form-urlencoded")


def _check_content_type(call: _Call) -> None:
    """Raise the 400 of a form that is sent to an endpoint for JSON.

    Its values would be strings and files where JSON has numbers, booleans and objects.
    """
    content = call.request.content
    if not content or content.startswith(b"{"):  # `_decode_body` decodes JSON whatever its content type is
        return
    content_type = call.request.headers.get("content-type", "").partition(";")[0]
    if content_type in _FORM_CONTENT_TYPES and not _takes_form(call.row.name):
        message = f"Unsupported content type: '{content_type}'. This endpoint only accepts 'application/json' requests."
        _reject(message, code="unsupported_content_type")


@functools.cache
def _takes_form(name: str) -> bool:
    """Return True if an endpoint takes a form. The SDK's methods for these set the content type of a form."""
    if name in _EXTRA_FORM_ENDPOINTS:
        return True
    function, _ = _sdk_method(name)
    return "multipart/form-data" in inspect.getsource(function)


def _decode_body(request: httpx.Request) -> _JSON:
    """Decode a body of JSON, form fields or SDP to a dict. A file in a form is a (filename, bytes, content type) tuple.

    Return an empty dict for a body of any other type. Raise the 400 of a body that cannot be decoded.
    """
    content = request.content
    if content.startswith(b"{"):
        return _decode_json_object(content)
    content_type = request.headers.get("content-type", "")
    if content_type.startswith("multipart/form-data"):
        return _nest_form_fields(_decode_multipart(content, content_type))
    if content_type.startswith("application/x-www-form-urlencoded"):
        return _nest_form_fields(parse_qsl(_decode_utf8(content), keep_blank_values=True))
    if content_type.startswith("application/sdp"):
        return {"sdp": _decode_utf8(content)}
    if content and (not content_type or "json" in content_type):
        return _decode_json_object(content)
    return {}


def _nest_form_fields(pairs: Iterable[tuple[str, Any]]) -> _JSON:
    """Build a dict from form fields.

    `a[b]` becomes a dict in a dict. `a[]`, repeated names, and `a[0]` followed by `a[1]` become lists.
    """
    body: _JSON = {}
    for name, value in pairs:
        key, *nested_keys = re.findall(r"[^\[\]]+", name) or [name]
        node = body
        for nested_key in nested_keys:
            node = node.setdefault(key, {})
            key = nested_key
            if not isinstance(node, dict):
                _reject(f"Invalid form: '{name}' conflicts with another field of the same name.", name)
        if name.endswith("[]") or key in node:
            existing = node.get(key, [])
            if not isinstance(existing, list):
                existing = [existing]
            value = [*existing, value]
        node[key] = value
    return {name: _indexed_to_list(value) for name, value in body.items()}


def _indexed_to_list(value: Any) -> Any:
    """Return a form field as a list if it is a dict whose keys are `0`, `1` and so on. Return others as they are."""
    if isinstance(value, dict) and list(value) == [str(index) for index in range(len(value))]:
        return list(value.values())
    return value


def _decode_multipart(content: bytes, content_type: str) -> list[tuple[str, Any]]:
    """Return the names and values of a multipart form, in order."""
    boundary = email.message_from_string(f"Content-Type: {content_type}").get_param("boundary")
    parts = (b"\r\n" + content).split(b"\r\n--" + str(boundary).encode())
    return [_decode_part(part) for part in parts[1:] if not part.startswith(b"--")]


def _decode_part(part: bytes) -> tuple[str, Any]:
    """Return the name and the value of one part of a multipart form. A part with a filename is a file."""
    raw_headers, _, data = part.partition(b"\r\n\r\n")
    headers = email.message_from_string(raw_headers.decode("utf-8", "replace").lstrip())
    name = str(headers.get_param("name", header="content-disposition"))
    filename = headers.get_filename()
    content_type = headers.get_content_type()
    if filename is not None:
        return name, (filename.replace("%22", '"'), data, content_type)  # forms escape the quotes in a filename
    if content_type == "application/json":
        return name, _decode_json_object(data)
    return name, _decode_utf8(data)


def _decode_json_object(content: bytes) -> _JSON:
    """Decode a JSON object. Raise the 400 of anything else."""
    try:
        body = _limit_depth(_json_decode(_decode_utf8(content)), content.count(b"[") + content.count(b"{"))
    except (RecursionError, ValueError) as error:
        _reject(f"We could not parse the JSON body of your request: {error}")
    if not isinstance(body, dict):
        _reject(f"Invalid body: expected an object, but got {type(body).__name__}")
    return body


def _decode_utf8(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        _reject(f"We could not read the body of your request: {error}")


# ======================================================================================================================
# REQUEST CHECKS: what the service rejects
# ======================================================================================================================


def _check_request(call: _Call) -> None:
    """Raise the service's error for a request that it rejects."""
    if not call.session and call.row.method != "WS":  # messages are checked on arrival, and a handshake has no body
        _check_body(call)
    _check_limits(call)
    for param, resource in call.behavior.references.items():
        for id in _find_ids(call.body.get(param, call.params.get(param))):
            _require_object(call, resource, id, param)
    if call.behavior.check:
        call.behavior.check(call)


def _check_body(call: _Call) -> None:
    """Raise the service's error for a missing parameter and, in strict mode, for all that the SDK's types reject."""
    if call.mock._strict:
        _check_shutdown(call)
    _check_required(call)
    if call.mock._strict:
        _check_api_key(call)
        _check_model_category(call)
        if call.row.name in _ENDPOINTS_WITH_JSON_SCHEMA_ERRORS:
            _check_limits(call)  # a JSON schema has them before the values of other parameters
        _check_companions(call)
        _check_params(call)
        _check_model_params(call)
        if call.behavior.strict_check:
            call.behavior.strict_check(call)
        _check_strict_schemas(call)


# Shutdown dates by the prefix of the endpoint. Strict mode answers 404 from that day on.
_ENDPOINT_SHUTDOWN_DATES = {
    "beta.assistants.": "2026-08-26",
    "beta.threads.": "2026-08-26",
    "evals.": "2026-11-30",
    "videos.": "2026-09-24",
}


def _check_shutdown(call: _Call) -> None:
    """Raise the 404 of an endpoint that the service has shut down."""
    for prefix, date in _ENDPOINT_SHUTDOWN_DATES.items():
        if call.row.name.startswith(prefix) and time.strftime("%Y-%m-%d", time.gmtime(time.time())) >= date:
            path = call.request.url.path
            _reject(f"Invalid URL ({call.row.method} {path}): {prefix[:-1]} was shut down on {date}.", status=404)


def _check_required(call: _Call) -> None:
    """Raise the 400 of a missing required parameter."""
    sent = call.body.keys() | call.query.keys() | call.params.keys()
    for name in call.required_params:
        names = {name, name.rstrip("_"), f"{name}s"}  # one image, or a list of images
        if not names & sent and not any(key.startswith(f"{name}[") for key in sent):
            _Flaw((name,), "missing_required_parameter").reject()


def _check_api_key(call: _Call) -> None:
    """Raise the 401 of a request without an API key."""
    authorization = call.request.headers.get("authorization", "")
    if not re.fullmatch(r"Bearer \S+", authorization) and not call.request.headers.get("api-key"):
        message = "You didn't provide an API key. You need to provide your API key in an Authorization header."
        _reject(message, code="invalid_api_key", status=401)


# Parameters that the API accepts although the SDK's methods don't have them.
_EXTRA_PARAMS = {
    "images.edit": {"images"},
    "responses.connect": {"client_metadata", "generate", "multi_agent"},
    "responses.create": {"client_metadata"},
}


# Parameters that other APIs have, and what the same is called in this one, by the prefix of the endpoint.
_MOVED_PARAMS = {
    "responses.": {
        "function_call": "tool_choice",
        "functions": "tools",
        "max_completion_tokens": "max_output_tokens",
        "max_tokens": "max_output_tokens",
        "messages": "input",
        "reasoning_effort": "reasoning.effort",
        "response_format": "text.format",
        "verbosity": "text.verbosity",
    },
}


def _check_params(call: _Call) -> None:
    """Raise the 400 of an unknown parameter, or of a value that a parameter does not accept."""
    accepted = call.accepted_params
    for name in call.body:
        if not {name, f"{name}_"} & accepted.keys() and name not in _EXTRA_PARAMS.get(call.row.name, ()):
            _check_moved(call, name)
            _reject(f"Unknown parameter: '{name}'.{_did_you_mean(name, accepted)}", name, "unknown_parameter")
    _check_param_types(call)


def _check_moved(call: _Call, name: str) -> None:
    """Raise the 400 of a parameter that has another name in this API."""
    for prefix, moved_params in _MOVED_PARAMS.items():
        if call.row.name.removeprefix("beta.").startswith(prefix) and name in moved_params:
            _reject(
                f"Unsupported parameter: '{name}'. In the Responses API, this parameter has moved to "
                f"'{moved_params[name]}'. Try again with the new parameter. See the API documentation for more "
                "information: https://platform.openai.com/docs/api-reference/responses/create.",
                code="unsupported_parameter",
            )


# Parameters that are accepted only if another one is true, by endpoint: the other parameter by name.
_COMPANION_PARAMS = {
    "chat.completions.create": {"stream_options": "stream", "top_logprobs": "logprobs"},
    "completions.create": {"stream_options": "stream"},
    "responses.create": {"stream_options": "stream"},
}


def _check_companions(call: _Call) -> None:
    """Raise the 400 of a parameter without the other one that it needs."""
    companions = _COMPANION_PARAMS.get(call.row.name.removeprefix("beta."), {})
    for param, companion in companions.items():
        if call.body.get(param) is not None and not call.body.get(companion):
            _reject(f"The '{param}' parameter is only allowed when '{companion}' is enabled.", param)


# Parameters whose values the check of the endpoint rejects, because its message differs from that for other types.
_PARAMS_WITH_OWN_CHECKS = {
    "files.create": {"purpose"},
}


def _has_form(call: _Call) -> bool:
    """Return True if the body is a form, in which numbers and booleans are strings."""
    return "json" not in call.request.headers.get("content-type", "json")


def _check_param_types(call: _Call) -> None:
    """Raise the 400 of a value that a parameter does not accept. Null is accepted for optional parameters."""
    accepted = call.accepted_params
    required = call.required_params
    for name, value in call.body.items():
        tp = accepted.get(name, accepted.get(f"{name}_"))
        if name in _PARAMS_WITH_OWN_CHECKS.get(call.row.name, ()):
            continue
        if tp and (value is not None or name in required):
            lenient = bool(call.session) and name == "session" and not call.mock._strict
            _check_type(name, value, tp, lenient, _has_form(call))


# ---- models, and what they don't accept ------------------------------------------------------------------------------


class _ModelFamily(NamedTuple):
    """Facts about the models whose names have the same beginning."""

    pattern: str  # a regular expression for the beginning of their names
    category: str  # what the models are for; see `_WRONG_MODEL_ERRORS`
    default_effort: str | None = None  # None if the models don't reason
    efforts: tuple[str, ...] = ()  # the values of `reasoning.effort`
    verbosities: tuple[str, ...] = ("medium",)


_LOW_TO_HIGH = ("low", "medium", "high")
_LOW_TO_XHIGH = ("low", "medium", "high", "xhigh")


# The families of models. The first one with a matching pattern applies. Models of other names may be new ones, of which
# everything is accepted.
_MODEL_FAMILIES = (
    _ModelFamily(
        pattern=r"gpt-3\.5-turbo-instruct|davinci-002|babbage-002",
        category="completion",
    ),
    _ModelFamily(
        pattern=r"text-embedding-",
        category="embedding",
    ),
    _ModelFamily(
        pattern=r"gpt-3\.5-|gpt-4|gpt-audio|chatgpt-4o|gpt-5-(chat|search)",
        category="chat",
    ),
    _ModelFamily(
        pattern=r"o1-(mini|preview)",
        category="chat",
        default_effort="medium",
    ),
    _ModelFamily(
        pattern=r"o\d(-mini)?-deep-research|computer-use",
        category="responses",
        default_effort="medium",
        efforts=("medium",),
    ),
    _ModelFamily(
        pattern=r"o\d-pro|codex-mini",
        category="responses",
        default_effort="medium",
        efforts=_LOW_TO_HIGH,
    ),
    _ModelFamily(
        pattern=r"o\d",
        category="chat",
        default_effort="medium",
        efforts=_LOW_TO_HIGH,
    ),
    _ModelFamily(
        pattern=r"gpt-5-pro",
        category="responses",
        default_effort="high",
        efforts=("high",),
        verbosities=_LOW_TO_HIGH,
    ),
    _ModelFamily(
        pattern=r"gpt-5\.1-codex-max",
        category="responses",
        default_effort="medium",
        efforts=("none", *_LOW_TO_XHIGH),
    ),
    _ModelFamily(
        pattern=r"gpt-5(\.1)?-codex",
        category="responses",
        default_effort="medium",
        efforts=_LOW_TO_HIGH,
    ),
    _ModelFamily(
        pattern=r"gpt-5\.2-codex",
        category="responses",
        default_effort="medium",
        efforts=_LOW_TO_XHIGH,
    ),
    _ModelFamily(
        pattern=r"gpt-5\.\d+-codex",
        category="responses",
        default_effort="medium",
        efforts=_LOW_TO_XHIGH,
        verbosities=_LOW_TO_HIGH,
    ),
    _ModelFamily(
        pattern=r"gpt-5\.[2-5]-pro",
        category="responses",
        default_effort="medium",
        efforts=("medium", "high", "xhigh"),
        verbosities=_LOW_TO_HIGH,
    ),
    _ModelFamily(
        pattern=r"gpt-5\.\d+-chat",
        category="chat",
        default_effort="medium",
        efforts=("medium",),
    ),
    _ModelFamily(
        pattern=r"gpt-5\.([6-9]|\d\d)",
        category="chat",
        default_effort="medium",
        efforts=("none", *_LOW_TO_XHIGH, "max"),
        verbosities=_LOW_TO_HIGH,
    ),
    _ModelFamily(
        pattern=r"gpt-5\.5",
        category="chat",
        default_effort="medium",
        efforts=("none", *_LOW_TO_XHIGH),
        verbosities=_LOW_TO_HIGH,
    ),
    _ModelFamily(
        pattern=r"gpt-5\.[2-4]",
        category="chat",
        default_effort="none",
        efforts=("none", *_LOW_TO_XHIGH),
        verbosities=_LOW_TO_HIGH,
    ),
    _ModelFamily(
        pattern=r"gpt-5\.1",
        category="chat",
        default_effort="none",
        efforts=("none", *_LOW_TO_HIGH),
        verbosities=_LOW_TO_HIGH,
    ),
    _ModelFamily(
        pattern=r"gpt-5",
        category="chat",
        default_effort="medium",
        efforts=("minimal", *_LOW_TO_HIGH),
        verbosities=_LOW_TO_HIGH,
    ),
    _ModelFamily(
        pattern=r"gpt-6",
        category="chat",
        default_effort="medium",
        efforts=(*_LOW_TO_XHIGH, "max"),
        verbosities=_LOW_TO_HIGH,
    ),
    _ModelFamily(
        pattern=r"gpt-([7-9]|\d\d)",  # to be released, so that nothing is known of what they refuse
        category="chat",
        default_effort="medium",
    ),
)


@functools.lru_cache
def _model_family(model: str) -> _ModelFamily | None:
    """Return the family of a model, or None if no family has its name."""
    for family in _MODEL_FAMILIES:
        if re.match(family.pattern, model):
            return family
    return None


def _model_of(call: _Call) -> str:
    """Return the model of a request, or "" if it has none. On Azure, the name is that of a deployment of any model."""
    model = call.body.get("model")
    if call.is_azure or not isinstance(model, str):
        return ""
    return model


_CANNOT_SAMPLE_ERROR = (403, "You are not allowed to sample from this model", None)
_CANNOT_EMBED_ERROR = (403, "You are not allowed to generate embeddings from this model", None)
_IS_CHAT_MODEL_ERROR = (
    404,
    "This is a chat model and not supported in the v1/completions endpoint. Did you mean to use v1/chat/completions?",
    "model",
)


# The status, message and param of the error for an endpoint and a category of models that it doesn't support.
_WRONG_MODEL_ERRORS: Mapping[tuple[str, str], tuple[int, str, str | None]] = {
    ("chat.completions.create", "completion"): (
        404,
        "This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you mean to use v1/completions?",
        "model",
    ),
    ("chat.completions.create", "embedding"): _CANNOT_SAMPLE_ERROR,
    ("chat.completions.create", "responses"): (
        404,
        "This model is only supported in v1/responses and not in v1/chat/completions.",
        "model",
    ),
    ("completions.create", "chat"): _IS_CHAT_MODEL_ERROR,
    ("completions.create", "embedding"): _CANNOT_SAMPLE_ERROR,
    ("completions.create", "responses"): _IS_CHAT_MODEL_ERROR,
    ("embeddings.create", "chat"): _CANNOT_EMBED_ERROR,
    ("embeddings.create", "completion"): _CANNOT_EMBED_ERROR,
    ("embeddings.create", "responses"): _CANNOT_EMBED_ERROR,
}


def _check_model_category(call: _Call) -> None:
    """Raise the error of a model that the endpoint doesn't support."""
    family = _model_family(_model_of(call))
    if family and (call.row.name, family.category) in _WRONG_MODEL_ERRORS:
        status, message, param = _WRONG_MODEL_ERRORS[call.row.name, family.category]
        _reject(message, param, status=status)


class _ModelRule(NamedTuple):
    """A parameter, or values of it, that models don't accept at an endpoint. Null is always accepted."""

    param: str  # its path in the body, with `[]` for any item of a list
    message: str  # a format string; see `reject` for its names
    code: str | None = "unsupported_parameter"
    models: str = ""  # a regular expression for the beginning of their names
    reasoning: tuple[str, ...] = ()  # only if the model's reasoning is one of these; see `_reasoning_of`
    accepted: tuple[Any, ...] = ()  # values that are accepted, such as the default
    accepted_field: str = ""  # the field of `_ModelFamily` with the values that are accepted
    rejected: tuple[Any, ...] = ()  # if set, all other values are accepted
    maximum: int | None = None  # if set, all numbers up to this one are accepted
    with_param: str = ""  # only if the request also has this parameter
    error_param: str | None = "{param}"  # the `param` of the error, a format string too

    def reject(self, path: _Path, value: Any, model: str, accepted: Iterable[Any]) -> typing.NoReturn:
        """Raise the 400 of a value that a model doesn't accept."""
        quoted = [repr(word) for word in accepted]
        names = {
            "param": _format_path(path),
            "dotted_param": _format_path(path).replace("[", ".["),
            "parent": _format_path(path[:-1] or path),
            "message": _format_path(path[:2]),  # of `messages`
            "value": value,
            "maximum": self.maximum,
            "model": model,
            "accepted": _enumeration(quoted),
            "alternatives": _enumeration(quoted, "or"),
        }
        error_param = self.error_param
        if error_param is not None:
            error_param = error_param.format(**names)
        _reject(self.message.format(**names), error_param, self.code)


# Reasoning of models that the table of families has, whatever it is.
_OF_ANY_FAMILY = ("on", "off", "never")


# The rules by endpoint. Each API adds its rows. A row of `responses` also applies to `beta.responses`.
_MODEL_RULES: dict[str, tuple[_ModelRule, ...]] = {}


_UNSUPPORTED_PARAM = "Unsupported parameter: '{param}' is not supported with this model."
_UNSUPPORTED_VALUE = (
    "Unsupported value: '{param}' does not support {value!r} with this model. Supported values are: {accepted}."
)
_ONLY_DEFAULT_VALUE = (
    "Unsupported value: '{param}' does not support {value!r} with this model. Only the default (1) value is supported."
)
_UNSUPPORTED_SCHEMA = (
    "Invalid parameter: '{parent}' of type {value!r} is not supported with this model. Learn more about supported models "
    "at the Structured Outputs guide: https://platform.openai.com/docs/guides/structured-outputs"
)
_UNKNOWN_PARAM = "Unknown parameter: '{param}'."


# Models without structured outputs, and those of them that have no JSON mode either.
_MODELS_WITHOUT_SCHEMAS = r"gpt-3\.5|gpt-4(?![.o])|gpt-4o-2024-05-13|o1-(mini|preview)"
_MODELS_WITHOUT_JSON_MODE = r"gpt-4($|-0314|-0613|-32k|-vision)|o1-(mini|preview)"


def _check_model_params(call: _Call) -> None:
    """Raise the 400 of a parameter that the model doesn't support."""
    model = _model_of(call)
    if not model:
        return
    for rule in _MODEL_RULES.get(call.row.name.removeprefix("beta."), ()):
        first_key = _path_keys(rule.param)[0]
        if first_key not in call.body or not _applies_to_model(rule, call.body, model):
            continue
        accepted = rule.accepted
        if rule.accepted_field:
            accepted = getattr(_model_family(model), rule.accepted_field)
        for path, value in _values_at(call.body, rule.param):
            if _is_unsupported(rule, value, accepted):
                rule.reject(path, value, model, accepted)


def _is_unsupported(rule: _ModelRule, value: Any, accepted: Sequence[Any]) -> bool:
    """Return True if a rule is violated by a value of its parameter.

    accepted: the values that the model accepts, if the rule doesn't list those that it rejects.
    """
    if value is None:
        return False
    if rule.rejected:
        return value in rule.rejected
    if rule.maximum is not None:
        return _is_number(value) and value > rule.maximum
    return value not in accepted


def _applies_to_model(rule: _ModelRule, body: Mapping[str, Any], model: str) -> bool:
    """Return True if a rule is about a model, and about requests like this one."""
    if not re.match(rule.models, model):
        return False
    if rule.with_param and not body.get(rule.with_param):
        return False
    return not rule.reasoning or _reasoning_of(model, body) in rule.reasoning


def _reasoning_of(model: str, body: Mapping[str, Any]) -> str:
    """Return "on" or "off" for a model that can reason, as the effort of the request says, "never" for one that can't.

    Return "unknown" for a model of no known family.
    """
    family = _model_family(model)
    if family is None:
        return "unknown"
    if family.default_effort is None:
        return "never"
    effort = body.get("reasoning_effort") or _get_dict(body, "reasoning").get("effort") or family.default_effort
    return "off" if effort == "none" else "on"


@functools.cache
def _path_keys(param: str) -> list[str]:
    """Return the keys of a path such as `messages[].role`, with `[]`, `*` or `~` as one of them."""
    return re.findall(r"\w+|\[\]|[*~]", param)


def _values_at(value: Any, param: str) -> list[tuple[_Path, Any]]:
    """Return the values at a path such as `messages[].role`, each with its own path such as `messages[0].role`.

    `[]` stands for each item of an array, `*` for each value of an object, and `~` for each name of an object's values.
    """
    found: list[tuple[_Path, Any]] = [((), value)]
    for key in _path_keys(param):
        next_found: list[tuple[_Path, Any]] = []
        for path, parent in found:
            if key == "[]" and isinstance(parent, list):
                next_found += [((*path, index), item) for index, item in enumerate(parent)]
            elif key == "*" and isinstance(parent, dict):
                next_found += [((*path, name), item) for name, item in parent.items()]
            elif key == "~" and isinstance(parent, dict):
                next_found += [((*path, name), name) for name in parent]
            elif isinstance(parent, dict) and key in parent:
                next_found.append(((*path, key), parent[key]))
        found = next_found
    return found


# ---- what the SDK declares: parameters and messages of clients -------------------------------------------------------


@functools.cache
def _param_names(name: str) -> tuple[str, ...]:
    """Return the names of an endpoint's parameters, of all overloads of its method, read from the SDK's source."""
    resource, _, method = name.rpartition(".")
    signatures = re.findall(rf"^    def {method}\((.*?)^    \) ->", _sdk_source(resource), re.MULTILINE | re.DOTALL)
    names = re.findall(r"^        (\w+): ", "".join(signatures), re.MULTILINE)
    return tuple(dict.fromkeys(filter(_is_api_param, names)))


@functools.cache
def _param_types(name: str) -> Mapping[str, Any]:
    """Return the SDK's type of each parameter of an endpoint."""
    function, _ = _sdk_method(name)
    hints = typing.get_type_hints(function, vars(sys.modules[function.__module__]))
    return {key: hint for key, hint in hints.items() if _is_api_param(key)}


@functools.cache
def _sdk_method(name: str) -> tuple[Any, tuple[str, ...]]:
    """Return the SDK's method for an endpoint, and the parameters that all overloads of the method require."""
    import openai

    client = object.__new__(openai.OpenAI)  # `OpenAI()` would create an SSL context, which is slow
    method: Any = functools.reduce(getattr, name.split("."), client)
    function = method.__func__
    # the required parameters of each overload, which the SDK's decorator keeps
    variants = inspect.getclosurevars(function).nonlocals.get("variants")
    if variants:
        first_variant, *other_variants = variants
        required = [param for param in first_variant if all(param in variant for variant in other_variants)]
    else:
        required = []
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
                required.append(parameter.name)
    return inspect.unwrap(function), tuple(required)


def _is_api_param(parameter: str) -> bool:
    """Return True if the SDK sends a parameter. It doesn't send its own options, such as `timeout`."""
    return not parameter.startswith("extra_") and parameter not in ("timeout", "return")


def _client_event_type(unions: str, event_type: str) -> Any:
    """Return the SDK's type of a client event, or None for an unknown event.

    unions: the paths of the SDK's unions of client events, separated by spaces. A union is imported only if the unions
        before it don't have the event, because importing is slow.
    """
    for union in unions.split():
        events = _client_events(union)
        if event_type in events:
            return events[event_type]
    return None


@functools.cache
def _client_events(union: str) -> Mapping[str, Any]:
    """Return the client events of one of the SDK's unions, by type. Return none if the SDK doesn't have the union."""
    import typing_extensions

    union_type = _sdk_type(union)
    events = {}
    for event in typing.get_args(union_type) or (union_type,):
        if event:
            for event_type in _literal_values(typing_extensions.get_type_hints(event)["type"]):
                events[event_type] = event
    return events


@functools.cache
def _client_event_fields(event: Any) -> Mapping[str, Any]:
    """Return the SDK's type of each key of a client event."""
    return {name: key.type for name, key in _typed_dict_keys(event).items()}


# Required keys of the SDK's types that the service doesn't require, by type without any `Beta` prefix: as recorded.
_KEYS_NOT_REQUIRED = {
    "FunctionTool": {"parameters", "strict"},
    "ResponseInputImage": {"detail"},
    "ResponseInputImageContent": {"detail"},
    "ResponseOutputMessage": {"id", "status", "type"},
    "ResponseOutputText": {"annotations"},
    "ResponseReasoningItem": {"id"},
}


# Keys that the service accepts although the SDK's types lack them, by type without any `Beta` prefix: as recorded. Most
# are keys of answers that clients send back.
_KEYS_BEYOND_TYPES = {
    "ChatCompletionAssistantMessage": {"annotations", "parsed"},
    "ChatCompletionFunctionTool": {"name"},
    "ChatCompletionMessageFunctionToolCall": {"index"},
    "ChatCompletionToolMessage": {"name"},
    "EasyInputMessage": {"id"},
    "Function": {"parsed_arguments"},
    "ImageGeneration": {"n"},
    "ImageGenerationCall": {"action", "background", "output_format", "quality", "revised_prompt", "size"},
    "Message": {"id"},
}


@functools.cache
def _required_keys(tp: Any) -> set[str]:
    """Return the keys of a TypedDict that the service requires."""
    return {name for name, key in _typed_dict_keys(tp).items() if key.required}


@functools.cache
def _typed_dict_keys(tp: Any) -> Mapping[str, _Field]:
    """Return the keys of a TypedDict by their names on the wire."""
    import typing_extensions

    keys = {}
    type_name = tp.__name__.removeprefix("Beta").removesuffix("Param")
    for name, annotation in typing_extensions.get_type_hints(tp, include_extras=True).items():
        field = _typed_dict_field(annotation)
        for extra in getattr(field.type, "__metadata__", ()):
            alias = getattr(extra, "alias", None)
            if alias:  # `async_` is sent as `async`
                name = alias
                break
        if name in _KEYS_NOT_REQUIRED.get(type_name, ()):
            field = field._replace(required=False)
        keys[name] = field
    for name in _KEYS_BEYOND_TYPES.get(type_name, ()):
        keys[name] = _Field(Any, required=False)
    return keys


def _typed_dict_field(annotation: Any) -> _Field:
    """Return the type of a TypedDict's key, and True if the key is required.

    `__required_keys__` does not list the required keys, because the SDK's annotations are strings.
    """
    import typing_extensions

    if typing.get_origin(annotation) is typing_extensions.Required:
        return _Field(typing.get_args(annotation)[0], required=True)
    return _Field(annotation, required=False)


# ---- limits of values ------------------------------------------------------------------------------------------------


class _Limit(NamedTuple):
    """A limit of the service for the value of one parameter."""

    # the path in the body: `[]` stands for each item of an array, `*` for each value of an object, `~` for each name of one
    param: str
    kind: str  # a key of `_LIMIT_KINDS`; a string, array or object in the place of another is not limited
    minimum: float | None = None
    maximum: float | None = None
    pattern: str = ""
    words: tuple[str, ...] = ()  # what a number may be instead
    above: float | None = None  # a number must be larger than this one
    models: str = ""  # a regular expression for the beginning of the names of the models with this limit


_NAME_PATTERN = "^[a-zA-Z0-9_-]+$"


_SAMPLING_LIMITS = (
    _Limit("temperature", "decimal", 0, 2),
    _Limit("top_p", "decimal", 0, 1),
)


_METADATA_LIMITS = (
    _Limit("metadata", "object", maximum=16),
    _Limit("metadata.~", "name", maximum=64),
    _Limit("metadata.*", "string", maximum=512),
)


_ATTRIBUTE_LIMITS = (
    _Limit("attributes", "object", maximum=16),
    _Limit("attributes.~", "name", maximum=64),
    _Limit("attributes.*", "string", maximum=512),
)


_CHUNKING_LIMITS = (_Limit("chunking_strategy.static.max_chunk_size_tokens", "integer", 100, 4096),)


_NETWORK_LIMITS = (
    _Limit("network_policy.allowed_domains", "array", 1),
    _Limit("network_policy.domain_secrets", "array", 1),
    _Limit("network_policy.domain_secrets[].domain", "string", 1),
    _Limit("network_policy.domain_secrets[].name", "string", 1),
    _Limit("network_policy.domain_secrets[].value", "string", 1, 10_485_760),
)


_SKILL_LIMITS = (
    _Limit("skills", "array", maximum=200),
    _Limit("skills[].skill_id", "string", 1, 64),
)


def _limits_below(param: str, limits: Iterable[_Limit]) -> tuple[_Limit, ...]:
    """Return limits for the same parameters inside another parameter."""
    return tuple(limit._replace(param=f"{param}.{limit.param}") for limit in limits)


_CONTAINER_LIMITS = (
    _Limit("file_ids", "array", maximum=50),
    *_NETWORK_LIMITS,
)


_RESPONSE_TOOL_LIMITS = (
    _Limit("name", "string", 1, 128, _NAME_PATTERN),
    _Limit("allowed_callers", "array", 1),
    _Limit("max_num_results", "integer", 1, 50),
    _Limit("output_compression", "integer", 0, 100),
    _Limit("partial_images", "integer", 0, 3),
    _Limit("ranking_options.score_threshold", "decimal", 0, 1),
    _Limit("tools", "array", 1),
    _Limit("tools[].name", "string", 1, 128, _NAME_PATTERN),
    _Limit("tunnel_id", "string", pattern="^tunnel_[a-z0-9]{32}$"),
    *_limits_below("container", _CONTAINER_LIMITS),
    *_limits_below("environment", (*_CONTAINER_LIMITS, *_SKILL_LIMITS)),
)


_ITEM_LIMITS = (
    _Limit("call_id", "string", 1, 64),
    _Limit("caller.caller_id", "string", 1, 64),
    _Limit("content[].image_url", "string", maximum=20_971_520),
    _Limit("content[].text", "string", maximum=10_485_760),
    _Limit("encrypted_content", "string", maximum=20_971_520),
    _Limit("name", "string", 1, 128),
    _Limit("namespace", "string", 1, 64, _NAME_PATTERN),
    _Limit("operation.diff", "string", maximum=10_485_760),
    _Limit("operation.path", "string", 1),
    _Limit("output", "string", maximum=10_485_760),
    _Limit("output[].image_url", "string", maximum=20_971_520),
    _Limit("output[].text", "string", maximum=10_485_760),
    *_limits_below("tools[]", _RESPONSE_TOOL_LIMITS),
)


_ASSISTANT_LIMITS = (
    *_SAMPLING_LIMITS,
    _Limit("name", "string", maximum=256),
    _Limit("description", "string", maximum=512),
    _Limit("instructions", "string", maximum=256_000),
    _Limit("tools", "array", maximum=128),
)


_ASSISTANT_TOOL_LIMITS = (
    _Limit("tools[].file_search.max_num_results", "integer", 1, 50),
    _Limit("tools[].file_search.ranking_options.score_threshold", "decimal", 0, 1),
    _Limit("tools[].function.name", "string", 1, 64, _NAME_PATTERN),
)


_TOOL_RESOURCE_LIMITS = (
    _Limit("tool_resources.code_interpreter.file_ids", "array", maximum=20),
    _Limit("tool_resources.file_search.vector_store_ids", "array", maximum=1),
    _Limit("tool_resources.file_search.vector_stores", "array", maximum=1),
    *_limits_below("tool_resources.file_search.vector_stores[]", _METADATA_LIMITS),
)


_TRAINING_LIMITS = (
    _Limit("hyperparameters.batch_size", "integer", 1, 256, words=("auto",)),
    _Limit("hyperparameters.learning_rate_multiplier", "decimal", above=0, words=("auto",)),
    _Limit("hyperparameters.n_epochs", "integer", 1, 50, words=("auto",)),
)


_REINFORCEMENT_LIMITS = (
    *_TRAINING_LIMITS,
    _Limit("hyperparameters.compute_multiplier", "decimal", maximum=10, above=0.00001, words=("auto",)),
    _Limit("hyperparameters.eval_interval", "integer", 1, words=("auto",)),
    _Limit("hyperparameters.eval_samples", "integer", 1, words=("auto",)),
)


_REALTIME_SESSION_LIMITS = (
    _Limit("audio.input.transcription.languages", "array", 1),
    _Limit("audio.input.turn_detection.idle_timeout_ms", "integer", 5000, 30_000),
    _Limit("audio.output.speed", "decimal", 0.25, 1.5),
    _Limit("truncation.retention_ratio", "decimal", 0, 1),
    _Limit("truncation.token_limits.post_instructions", "integer", 0),
)


# The limits of parameters by the prefix of the endpoints that they apply to, from the published description of the API
# and from reports. An endpoint of `beta.responses` has the limits of `responses`.
_LIMITS: Mapping[str, tuple[_Limit, ...]] = {
    "": _METADATA_LIMITS,
    "admin.organization.": (
        _Limit("certificate_ids", "array", 1, 10),
        _Limit("expires_in_seconds", "integer", 1, 31_536_000),
        _Limit("threshold_amount", "integer", 0),
    ),
    "admin.organization.groups.": (_Limit("name", "string", 1, 255),),
    "audio.speech.": (
        _Limit("input", "string", maximum=4096),
        _Limit("instructions", "string", maximum=4096),
        _Limit("speed", "decimal", 0.25, 4),
    ),
    "audio.transcriptions.": (
        _Limit("known_speaker_names", "array", maximum=4),
        _Limit("known_speaker_references", "array", maximum=4),
        _Limit("languages", "array", 1),
    ),
    "batches.": (_Limit("output_expires_after.seconds", "integer", 3600, 2_592_000),),
    "beta.assistants.": (*_ASSISTANT_LIMITS, *_ASSISTANT_TOOL_LIMITS, *_TOOL_RESOURCE_LIMITS),
    "beta.chatkit.sessions.": (
        _Limit("chatkit_configuration.file_upload.max_file_size", "integer", 1, 512),
        _Limit("chatkit_configuration.file_upload.max_files", "integer", 1),
        _Limit("chatkit_configuration.history.recent_threads", "integer", 1),
        _Limit("expires_after.seconds", "integer", 1, 600),
        _Limit("rate_limits.max_requests_per_1_minute", "integer", 1),
        _Limit("user", "string", 1),
        _Limit("workflow.state_variables", "object", maximum=64),
    ),
    "beta.threads.": (
        _Limit("content", "array", 1),
        _Limit("messages[].content", "array", 1),
        *_limits_below("messages[]", _METADATA_LIMITS),
        *_TOOL_RESOURCE_LIMITS,
    ),
    "beta.threads.create_and_run": (
        *_SAMPLING_LIMITS,
        *_ASSISTANT_TOOL_LIMITS,
        _Limit("thread.messages[].content", "array", 1),
        _Limit("tools", "array", maximum=20),
        _Limit("truncation_strategy.last_messages", "integer", 1),
        *_limits_below("thread", (*_METADATA_LIMITS, *_TOOL_RESOURCE_LIMITS)),
        *_limits_below("thread.messages[]", _METADATA_LIMITS),
    ),
    "beta.threads.runs.create": (
        *_SAMPLING_LIMITS,
        *_ASSISTANT_TOOL_LIMITS,
        _Limit("additional_messages[].content", "array", 1),
        *_limits_below("additional_messages[]", _METADATA_LIMITS),
        _Limit("tools", "array", maximum=20),
        _Limit("truncation_strategy.last_messages", "integer", 1),
    ),
    "chat.completions.": (
        *_SAMPLING_LIMITS,
        _Limit("frequency_penalty", "decimal", -2, 2),
        _Limit("functions", "array", 1, 128),
        _Limit("functions[].name", "string", 1, 64, _NAME_PATTERN),
        _Limit("logit_bias.*", "decimal", -100, 100),
        _Limit("max_completion_tokens", "integer", 1),
        _Limit("max_tokens", "integer", 1),
        _Limit("messages", "array", 1),
        _Limit("messages[].content", "array", 1),
        _Limit("messages[].name", "string", 1, 64, r"^[^\s<|\\/>]+$"),
        _Limit("messages[].tool_calls[].function.name", "string", 1, 64, _NAME_PATTERN),
        _Limit("n", "integer", 1, 128),
        _Limit("prediction.content", "array", 1),
        _Limit("presence_penalty", "decimal", -2, 2),
        _Limit("response_format.json_schema.name", "string", 1, 64, _NAME_PATTERN),
        _Limit("safety_identifier", "string", maximum=64),
        _Limit("seed", "integer", -(2**63), 2**63 - 1),
        _Limit("stop", "array", 1, 4),
        _Limit("tools", "array", 1, 128),
        _Limit("tools[].function.name", "string", 1, 64, _NAME_PATTERN),
        _Limit("top_logprobs", "integer", 0, 20),
    ),
    "completions.": (
        *_SAMPLING_LIMITS,
        _Limit("best_of", "integer", 0, 20),
        _Limit("frequency_penalty", "decimal", -2, 2),
        _Limit("logprobs", "integer", 0, 5),
        _Limit("max_tokens", "integer", 0),
        _Limit("n", "integer", 1, 128),
        _Limit("presence_penalty", "decimal", -2, 2),
        _Limit("prompt", "array", 1),
        _Limit("prompt[]", "array", 1),
        _Limit("stop", "array", 1, 4),
    ),
    "containers.create": (
        *_CONTAINER_LIMITS,
        *_SKILL_LIMITS,
    ),
    "conversations.": (
        _Limit("items", "array", maximum=20),
        *_limits_below("items[]", _ITEM_LIMITS),
    ),
    "embeddings.": (
        _Limit("dimensions", "integer", 1, 3072),
        _Limit("input", "array", 1, 2048),
        _Limit("input[]", "array", 1),
        _Limit("input", "string", 1),
    ),
    "files.create": (_Limit("expires_after.seconds", "integer", 3600, 2_592_000),),
    "fine_tuning.alpha.graders.": (_Limit("grader.sampling_params.max_completions_tokens", "integer", 1),),
    "fine_tuning.jobs.create": (
        _Limit("seed", "integer", 0, 2**31 - 1),
        _Limit("suffix", "string", 1, 64),
        *_TRAINING_LIMITS,
        _Limit("method.dpo.hyperparameters.beta", "decimal", maximum=2, above=0, words=("auto",)),
        *_limits_below("method.dpo", _TRAINING_LIMITS),
        *_limits_below("method.reinforcement", _REINFORCEMENT_LIMITS),
        *_limits_below("method.supervised", _TRAINING_LIMITS),
    ),
    "images.": (
        _Limit("image", "array", 1, 16),
        _Limit("images", "array", 1, 16),
        _Limit("n", "integer", 1, 10),
        _Limit("output_compression", "integer", 0, 100),
        _Limit("partial_images", "integer", 0, 3),
        _Limit("prompt", "string", 1, 32_000),
        _Limit("prompt", "string", maximum=1000, models="dall-e-2"),
        _Limit("prompt", "string", maximum=4000, models="dall-e-3"),
    ),
    "realtime.calls.accept": _REALTIME_SESSION_LIMITS,
    "realtime.calls.create": _limits_below("session", _REALTIME_SESSION_LIMITS),
    "realtime.connect": (
        *_limits_below("response", _METADATA_LIMITS),
        *_limits_below("session", _REALTIME_SESSION_LIMITS),
    ),
    "realtime.client_secrets.": (
        _Limit("expires_after.seconds", "integer", 10, 7200),
        *_limits_below("session", _REALTIME_SESSION_LIMITS),
    ),
    "responses.": (
        *_SAMPLING_LIMITS,
        _Limit("context_management", "array", 1),
        _Limit("context_management[].compact_threshold", "integer", 1000),
        _Limit("input", "string", maximum=10_485_760),
        _Limit("max_output_tokens", "integer", 16),
        _Limit("multi_agent.max_concurrent_subagents", "integer", 1),
        _Limit("prompt_cache_key", "string", maximum=64),
        _Limit("safety_identifier", "string", maximum=64),
        _Limit("text.format.name", "string", 1, 64, _NAME_PATTERN),
        _Limit("tools", "array", maximum=128),
        _Limit("top_logprobs", "integer", 0, 20),
        *_limits_below("input[]", _ITEM_LIMITS),
        *_limits_below("tools[]", _RESPONSE_TOOL_LIMITS),
    ),
    "skills.": (_Limit("files", "array", maximum=500),),
    "uploads.create": (_Limit("expires_after.seconds", "integer", 3600, 2_592_000),),
    "vector_stores.": (
        *_ATTRIBUTE_LIMITS,
        *_CHUNKING_LIMITS,
        _Limit("expires_after.days", "integer", 1, 365),
    ),
    "vector_stores.create": (_Limit("file_ids", "array", maximum=500),),
    "vector_stores.file_batches.create": (
        _Limit("file_ids", "array", 1, 2000),
        _Limit("files", "array", 1, 2000),
        *_limits_below("files[]", _ATTRIBUTE_LIMITS),
        *_limits_below("files[]", _CHUNKING_LIMITS),
    ),
    "vector_stores.search": (
        _Limit("max_num_results", "integer", 1, 50),
        _Limit("query", "array", 1),
        _Limit("ranking_options.score_threshold", "decimal", 0, 1),
    ),
    "videos.": (_Limit("prompt", "string", 1, 32_000),),
    "videos.create_character": (_Limit("name", "string", 1, 80),),
}


class _LimitKind(NamedTuple):
    """The measure of a kind of value, and the errors of a value that is too small or too large.

    An error is its code and its message, a format string. Its names are `param`, `limit` and `actual`, which are numbers,
    `bound`, the limit with its operator, `parent`, the path of the object that has the value, and `name`, the value's
    key, shortened in the middle.
    """

    # given a value and its path; returns None for a value that is not limited, raises the 400 if it must be a number
    measure: Callable[[Any, str], float | None]
    too_small: tuple[str, str]
    too_large: tuple[str, str]


def _measure_integer(value: Any, param: str) -> int:
    return _to_int(param, value)


def _measure_decimal(value: Any, param: str) -> float | None:
    """Return a number. Return None for a decimal as a string: the service doesn't check the decimals of forms.

    A string with so many digits that its number is infinite is rejected, because an answer can't contain that.
    """
    if isinstance(value, str):
        if re.fullmatch(_FORM_SCALAR_PATTERNS["a decimal"], value) and math.isinf(float(value)):
            _wrong_type_flaw(float, value, (param,)).reject()
        return None
    _check_type(param, value, float)
    return value


def _length_of(tp: type) -> Callable[[Any, str], int | None]:
    """Return a function that measures the length of values of a type."""

    def measure(value: Any, param: str) -> int | None:
        return len(value) if isinstance(value, tp) else None

    return measure


_LIMIT_KINDS: Mapping[str, _LimitKind] = {
    "integer": _LimitKind(
        measure=_measure_integer,
        too_small=(
            "integer_below_min_value",
            "Invalid '{param}': integer below minimum value. Expected a value {bound}, but got {actual} instead.",
        ),
        too_large=(
            "integer_above_max_value",
            "Invalid '{param}': integer above maximum value. Expected a value {bound}, but got {actual} instead.",
        ),
    ),
    "decimal": _LimitKind(
        measure=_measure_decimal,
        too_small=(
            "decimal_below_min_value",
            "Invalid '{param}': decimal below minimum value. Expected a value {bound}, but got {actual} instead.",
        ),
        too_large=(
            "decimal_above_max_value",
            "Invalid '{param}': decimal above maximum value. Expected a value {bound}, but got {actual} instead.",
        ),
    ),
    "string": _LimitKind(
        measure=_length_of(str),
        too_small=(
            "empty_string",
            "Invalid '{param}': empty string. "
            "Expected a string with minimum length {limit}, but got an empty string instead.",
        ),
        too_large=(
            "string_above_max_length",
            "Invalid '{param}': string too long. "
            "Expected a string with maximum length {limit}, but got a string with length {actual} instead.",
        ),
    ),
    "name": _LimitKind(
        measure=_length_of(str),
        too_small=(
            "empty_property_name",
            "Invalid property name in '{parent}': empty string. "
            "Expected a string with minimum length {limit}, but got an empty string instead.",
        ),
        too_large=(
            "property_name_above_max_length",
            "Invalid property name in '{parent}': '{name}' is too long. "
            "Expected a string with maximum length {limit}, but got a string with length {actual} instead.",
        ),
    ),
    "array": _LimitKind(
        measure=_length_of(list),
        too_small=(
            "empty_array",
            "Invalid '{param}': empty array. "
            "Expected an array with minimum length {limit}, but got an empty array instead.",
        ),
        too_large=(
            "array_above_max_length",
            "Invalid '{param}': array too long. "
            "Expected an array with maximum length {limit}, but got an array with length {actual} instead.",
        ),
    ),
    "object": _LimitKind(
        measure=_length_of(dict),
        too_small=(
            "empty_object",
            "Invalid '{param}': empty object. "
            "Expected an object with at least {limit} properties, but got an empty object instead.",
        ),
        too_large=(
            "object_above_max_properties",
            "Invalid '{param}': too many properties. "
            "Expected an object with at most {limit} properties, but got an object with {actual} properties instead.",
        ),
    ),
}


# The kinds that are checked in default mode, too.
_NUMBER_KINDS = {"integer", "decimal"}


# Endpoints whose messages about numbers have the form of JSON schema's.
_ENDPOINTS_WITH_JSON_SCHEMA_ERRORS = {"embeddings.create"}


def _check_limits(call: _Call) -> None:
    """Raise the 400 of a number that is too small or too large and, in strict mode, of other values beyond a limit."""
    limits_by_name = _limits_by_name(call.row.name, bool(call.mock._strict))
    for name in call.body:
        for limit in limits_by_name.get(name, ()):
            if limit.models and not re.match(limit.models, _model_of(call)):
                continue
            for path, value in _values_at(call.body, limit.param):
                _check_limit(call, limit, path, value)


@functools.cache
def _limits_by_name(endpoint: str, strict: bool) -> Mapping[str, list[_Limit]]:
    """Return the limits of an endpoint by the name of the parameter that has, or contains, the limited value."""
    limits_by_name: dict[str, list[_Limit]] = {}
    for prefix, limits in _LIMITS.items():
        if not endpoint.startswith(prefix) and not endpoint.removeprefix("beta.").startswith(prefix):
            continue
        for limit in limits:
            if strict or limit.kind in _NUMBER_KINDS:
                name = _path_keys(limit.param)[0]
                limits_by_name.setdefault(name, []).append(limit)
    return limits_by_name


def _check_limit(call: _Call, limit: _Limit, path: _Path, value: Any) -> None:
    """Raise the 400 of a value that violates a limit, or that should be a number. Null is accepted."""
    if value is None or value in limit.words:
        return
    kind = _LIMIT_KINDS[limit.kind]
    param = _format_path(path)
    size = kind.measure(value, param)
    if size is None:
        return
    if limit.minimum is not None and size < limit.minimum:
        _reject_size(call, path, kind.too_small, ">=", limit.minimum, size)
    if limit.above is not None and size <= limit.above:
        _reject_size(call, path, kind.too_small, ">", limit.above, size)
    if limit.maximum is not None and size > limit.maximum:
        _reject_size(call, path, kind.too_large, "<=", limit.maximum, size)
    if limit.pattern and not re.search(limit.pattern, value):
        expected = f"Expected a string that matches the pattern '{limit.pattern}'."
        _reject(f"Invalid '{param}': string does not match pattern. {expected}", param, "invalid_value")


def _reject_size(
    call: _Call, path: _Path, error: tuple[str, str], operator: str, limit: float, actual: float
) -> typing.NoReturn:
    """Raise the 400 of a value that is too small or too large.

    error: the code and the message of its kind; see `_LimitKind`.
    operator: what relates an accepted value to the limit.
    """
    code, message = error
    param = _format_path(path)
    if call.row.name in _ENDPOINTS_WITH_JSON_SCHEMA_ERRORS and code.endswith("_value"):
        bound = "less than the minimum" if actual < limit else "greater than the maximum"
        _reject(f"{actual} is {bound} of {limit} - '{param}'")
    key = str(path[-1])
    names = {
        "param": param,
        "parent": _format_path(path[:-1] or path),
        "name": f"{key[:3]}...{key[-3:]}",
        "bound": f"{operator} {limit}",
        "limit": limit,
        "actual": actual,
    }
    _reject(message.format(**names), param, code)


# The largest integer that the service reads.
_MAX_INT = 2**63 - 1


def _to_int(param: str, value: Any) -> int:
    """Return an integer of a request, which is a string in a form or a query. Raise the 400 of any other value."""
    _check_type(param, value, int, in_form=True)
    number = value
    if isinstance(value, str):
        number = float(value)  # `int` raises `ValueError` for thousands of digits
    if abs(number) > _MAX_INT:
        message = f"Invalid '{param}': integer out of range. Expected a value <= {_MAX_INT}."
        _reject(message, param, "integer_above_max_value")
    return int(number)


# ---- tool calls and their outputs ------------------------------------------------------------------------------------


class _CallTracker:
    """The tool calls of a conversation by call id, and those of them that have no output yet."""

    def __init__(self) -> None:
        self.calls: dict[Any, _JSON] = {}
        self.unanswered: dict[Any, _JSON] = {}

    def add(self, call_id: Any, tool_call: _JSON) -> None:
        """Add a tool call, which has no output yet."""
        self.calls[call_id] = tool_call
        self.unanswered[call_id] = tool_call

    def answer(self, call_id: Any) -> _JSON | None:
        """Mark a call as answered, and return it. Return None if there is no call with this id."""
        self.unanswered.pop(call_id, None)
        return self.calls.get(call_id)


# ---- strict schemas --------------------------------------------------------------------------------------------------


def _check_strict_schemas(call: _Call) -> None:
    """Raise the 400 of a schema that is marked as `strict` and violates the rules for strict schemas."""
    for request_schema in _request_schemas(call.body):
        if not request_schema.strict:
            continue
        schema = request_schema.schema
        error = next(_strict_schema_errors(schema, _self_references(schema)), None)
        if error:
            _reject(f"Invalid schema for {request_schema.label}: {error}", request_schema.param, request_schema.code)


class _RequestSchema(NamedTuple):
    """A schema in a request."""

    label: str  # the name of the schema in error messages
    param: str  # the path of the schema in the request
    code: str | None  # the service's error code for an invalid schema
    schema: Any
    strict: bool


def _request_schemas(body: Mapping[str, Any]) -> Iterator[_RequestSchema]:
    """Yield the schemas of a request's functions, then the schema of its output. Knows the forms of all APIs."""
    for param, definition in _tool_definitions(body, ("function",)):
        yield _RequestSchema(
            label=f"function '{definition.get('name')}'",
            param=f"{param}.parameters",
            code="invalid_function_parameters",
            schema=definition.get("parameters"),
            strict=definition.get("strict") is True,
        )
    chat_format = _get_dict(_get_dict(body, "response_format"), "json_schema")
    responses_format = _get_dict(_get_dict(body, "text"), "format")
    for param, code, output_format in (
        ("response_format", None, chat_format),
        ("text.format.schema", "invalid_json_schema", responses_format),
    ):
        if "schema" in output_format:
            yield _RequestSchema(
                label=f"response_format '{output_format.get('name')}'",
                param=param,
                code=code,
                schema=output_format["schema"],
                strict=output_format.get("strict") is True,
            )


# Keywords that a strict schema must not have.
_STRICT_FORBIDDEN_KEYWORDS = {
    "allOf",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "if",
    "not",
    "oneOf",
    "patternProperties",
    "then",
}


def _strict_schema_errors(schema: Any, self_references: Sequence[str], *context: str) -> Iterator[str]:
    """Yield the service's messages for violations of the rules for strict schemas, at any depth.

    A strict schema has no forbidden keywords, and its objects have exactly the listed properties, all of them required.

    self_references: the result of `_self_references` for the root.
    context: the keys that lead from the root to the schema.
    """
    if schema is None:
        schema = {"type": "object"}
    if not isinstance(schema, dict):
        return
    for key in sorted(_STRICT_FORBIDDEN_KEYWORDS & schema.keys()):
        yield f"In context={context}, '{key}' is not permitted."
    properties = _get_dict(schema, "properties")
    required = schema.get("required")
    schema_type = schema.get("type")
    is_object = properties or schema_type == "object" or (isinstance(schema_type, list) and "object" in schema_type)
    if is_object and schema.get("additionalProperties") is not False:
        yield f"In context={context}, 'additionalProperties' is required to be supplied and to be false."
    # the service was seen to accept optional properties of tree nodes; without recursion it rejects them, in arrays too
    is_tree_node = any(_refers_to(subschema, self_references) for subschema in properties.values())
    for name in properties:
        if is_tree_node or (isinstance(required, list) and name in required):
            continue
        message = "'required' is required to be supplied and to be an array including every key in properties."
        yield f"In context={context}, {message} Missing '{name}'."
    for key in ("properties", *_DEFINITIONS_KEYWORDS):
        for name, subschema in _get_dict(schema, key).items():
            yield from _strict_schema_errors(subschema, self_references, *context, key, name)
    for index, subschema in enumerate(_only_dicts(schema.get("anyOf"))):
        yield from _strict_schema_errors(subschema, self_references, *context, "anyOf", str(index))
    yield from _strict_schema_errors(schema.get("items", ()), self_references, *context, "items")


# Keywords of a schema that contain definitions, to which a `$ref` refers.
_DEFINITIONS_KEYWORDS = ("$defs", "definitions")


def _self_references(schema: Any) -> list[str]:
    """Return the references to those definitions of a schema that refer to themselves, such as `#/$defs/Node`."""
    references: list[str] = []
    if not isinstance(schema, dict):
        return references
    for key in _DEFINITIONS_KEYWORDS:
        for name, definition in _get_dict(schema, key).items():
            reference = f"#/{key}/{name}"
            if any(subschema.get("$ref") == reference for _, subschema in _objects_within(definition, ())):
                references.append(reference)
    return references


def _refers_to(schema: Any, references: Sequence[str]) -> bool:
    """Return True if a schema is one of the given references, or an array of such references."""
    if not isinstance(schema, dict):
        return False
    return schema.get("$ref") in references or _get_dict(schema, "items").get("$ref") in references


# ---- types of parameters ---------------------------------------------------------------------------------------------


_Path = tuple[str | int, ...]  # the keys and indices from a dict, such as a body or a schema, to a value in it


class _Flaw(NamedTuple):
    """A value that a type does not accept: its path, the service's error code, and the accepted values."""

    path: _Path
    code: str
    value: Any = None
    expected: tuple[str, ...] = ()  # literals, or a JSON type

    def reject(self) -> typing.NoReturn:
        """Raise the 400 of this flaw."""
        param = _format_path(self.path)
        _reject(_FLAW_MESSAGES[self.code](self, param), param, self.code)


def _check_type(name: str, value: Any, tp: Any, lenient: bool = False, in_form: bool = False) -> None:
    """Raise the 400 of a value that a parameter does not accept.

    lenient: accept what the service may have changed since the installed SDK: new literals and keys, and missing keys.
        The `type` of the value itself must still be a known one.
    in_form: accept strings that stand for numbers and booleans.
    """
    for flaw in _type_flaws(tp, value, (name,)):
        if lenient and _may_become_valid(flaw, name):
            continue
        if in_form and _is_form_scalar(flaw):
            continue
        if _is_null_content(flaw):
            continue
        flaw.reject()


def _may_become_valid(flaw: _Flaw, name: str) -> bool:
    """Return True if a later version of the service may accept what is a flaw to the SDK's type of a parameter."""
    if flaw.code == "missing_required_parameter":
        return flaw.path[-1] not in _DISCRIMINATORS
    return flaw.code == "unknown_parameter" or (flaw.code == "invalid_value" and flaw.path != (name, "type"))


def _is_null_content(flaw: _Flaw) -> bool:
    """Return True if a flaw is the null content of a chat message, which `_check_messages` reports in other words."""
    return flaw.value is None and flaw.path[0] == "messages" and flaw.path[-1] == "content"


def _is_form_scalar(flaw: _Flaw) -> bool:
    """Return True if the value of a flaw is a string that stands for the expected number or boolean."""
    if flaw.code != "invalid_type" or not isinstance(flaw.value, str):
        return False
    pattern = _FORM_SCALAR_PATTERNS.get(flaw.expected[0])
    return pattern is not None and re.fullmatch(pattern, flaw.value) is not None


# Regular expressions for the strings that stand for numbers and booleans in a form, by the name of the JSON type.
_FORM_SCALAR_PATTERNS = {
    "a boolean": "true|false|1|0",
    "a decimal": r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?",
    "an integer": r"[-+]?\d+(\.0*)?",
}


def _format_path(path: _Path) -> str:
    """Return a path in the notation of the service: `input[0].content`."""
    name, *rest = path
    return str(name) + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest)


def _type_flaws(tp: Any, value: Any, path: _Path) -> Iterator[_Flaw]:
    """Yield the flaws of a value, in the order in which the service would report them."""
    find_flaws, arg = _flaw_finder(tp)
    return find_flaws(arg, value, path)


@functools.cache
def _flaw_finder(tp: Any) -> tuple[Callable[[Any, Any, _Path], Iterator[_Flaw]], Any]:
    """Return the function that finds flaws for a type, and its first argument."""
    import typing_extensions

    origin, args = _unwrap_type(tp)
    if typing_extensions.is_typeddict(origin):
        return _typed_dict_flaws, origin
    if origin is typing.Union:
        members = _checked_members(args)
        if len(members) == 1:
            return _flaw_finder(members[0])
        return _union_flaws, members
    if origin is typing.Literal:
        if isinstance(args[0], bool):
            return _scalar_flaws, bool
        return _literal_flaws, args
    if args and origin in (dict, collections.abc.Mapping):
        return _mapping_flaws, args[1]
    if args and origin.__name__ in _ARRAY_TYPE_NAMES:
        return _array_flaws, args[0]
    if origin in _SCALAR_PREDICATES:
        return _scalar_flaws, origin
    return _no_flaws, None


# By name, because some releases of the SDK have a SequenceNotStr of their own.
_ARRAY_TYPE_NAMES = {"list", "Iterable", "Sequence", "SequenceNotStr"}


# The SDK's types for arguments that were not given, by name, because releases have different ones.
_OMISSION_TYPE_NAMES = {"Omit", "NotGiven"}


def _checked_members(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the types to check a value against, for the members of a union.

    The literals of all members come first, as one type, so that an error lists them all.
    """
    if typing.IO[bytes] in args:  # one file or several
        return (bytes,)
    literals: list[Any] = []
    other_types: list[Any] = []
    for arg in args:
        origin, origin_args = _unwrap_type(arg)
        if origin is typing.Literal:
            literals += origin_args
        elif getattr(arg, "__name__", "") not in _OMISSION_TYPE_NAMES:
            other_types.append(arg)
    if literals:
        return (typing.Literal[tuple(literals)], *other_types)
    return tuple(other_types)


# The keys whose literals tell the members of a union apart. Every union of TypedDicts in the SDK has one of these.
_DISCRIMINATORS = ("type", "role")


def _union_flaws(members: Sequence[Any], value: Any, path: _Path) -> Iterator[_Flaw]:
    """Yield nothing if any member of a union accepts a value. Else yield the flaws for the best-matching member.

    The first flaw lists the values that all members accept in its place, such as the types of all tools.
    """
    first_flaws = []
    for member in members:
        flaw = next(_type_flaws(member, value, path), None)
        if flaw is None:
            return
        first_flaws.append((member, flaw))
    best_member, first_flaw = max(first_flaws, key=lambda pair: _match_score(*pair, value))
    expected: dict[str, None] = {}  # in order, without duplicates
    for _, flaw in first_flaws:
        if (flaw.path, flaw.code) == (first_flaw.path, first_flaw.code):
            expected.update(dict.fromkeys(flaw.expected))
    yield first_flaw._replace(expected=tuple(expected))
    yield from itertools.islice(_type_flaws(best_member, value, path), 1, None)


def _match_score(member: Any, first_flaw: _Flaw, value: Any) -> tuple[int, ...]:
    """Return a sort key that is higher the better a value matches a member of a union.

    The criteria, most important first: the number of discriminators that agree, the number of keys in common, how deep
    the first flaw is, and that it is not about a key that identifies the member.
    """
    common = _common_keys(member, value)
    agreeing_count = 0
    for key in _DISCRIMINATORS:
        if key in common and _is_valid_value(_typed_dict_keys(member)[key].type, value[key]):
            agreeing_count += 1
    is_identifying = first_flaw.path[-1] in _DISCRIMINATORS or first_flaw.code == "missing_required_parameter"
    return agreeing_count, len(common), len(first_flaw.path), not is_identifying


def _common_keys(tp: Any, value: Any) -> set[str]:
    """Return the keys that a TypedDict and a JSON object have in common. Other types and values have none."""
    find_flaws, _ = _flaw_finder(tp)
    if find_flaws is not _typed_dict_flaws or not isinstance(value, dict):
        return set()
    return _typed_dict_keys(tp).keys() & value.keys()


def _is_valid_value(tp: Any, value: Any) -> bool:
    """Return True if a type accepts a value."""
    return next(_type_flaws(tp, value, ("",)), None) is None


def _typed_dict_flaws(tp: Any, value: Any, path: _Path) -> Iterator[_Flaw]:
    """Yield the flaws of an object: first those of the keys that identify it, then missing keys, then the others.

    Optional keys may be null.
    """
    if not isinstance(value, dict):
        yield _wrong_type_flaw(dict, value, path)
        return
    keys = _typed_dict_keys(tp)
    for name in dict.fromkeys((*_DISCRIMINATORS, *_identifying_keys(tp), *_required_keys(tp), *value)):
        if name not in value:
            if name in _required_keys(tp):
                yield _Flaw((*path, name), "missing_required_parameter")
        elif name not in keys:
            yield _Flaw((*path, name), "unknown_parameter")
        elif value[name] is not None or keys[name].required:
            yield from _type_flaws(keys[name].type, value[name], (*path, name))


@functools.cache
def _identifying_keys(tp: Any) -> tuple[str, ...]:
    """Return the keys that tell which type of a union an object has: its role, or else its type.

    If the type is optional, return all required keys: an item reference is recognized by its ID. Otherwise return none.
    """
    keys = _typed_dict_keys(tp)
    required = tuple(name for name, key in keys.items() if key.required)
    for name in ("role", "type"):
        if name in required:
            return (name,)
    if "type" in keys:
        return required
    return ()


def _mapping_flaws(value_type: Any, value: Any, path: _Path) -> Iterator[_Flaw]:
    """Yield the flaws of an object with any keys, such as metadata."""
    if not isinstance(value, dict):
        yield _wrong_type_flaw(dict, value, path)
        return
    for key, item in value.items():
        yield from _type_flaws(value_type, item, (*path, key))


def _array_flaws(item_type: Any, value: Any, path: _Path) -> Iterator[_Flaw]:
    """Yield the flaws of an array's items."""
    if not isinstance(value, list):
        yield _wrong_type_flaw(list, value, path)
        return
    for index, item in enumerate(value):
        yield from _type_flaws(item_type, item, (*path, index))


def _literal_flaws(literals: tuple[Any, ...], value: Any, path: _Path) -> Iterator[_Flaw]:
    """Yield a flaw if a value is not one of the literals, or has another type than they."""
    if type(value) not in map(type, literals):
        yield _wrong_type_flaw(type(literals[0]), value, path)
    elif value not in literals:
        yield _Flaw(path, "invalid_value", value, tuple(map(repr, literals)))


def _scalar_flaws(tp: Any, value: Any, path: _Path) -> Iterator[_Flaw]:
    """Yield a flaw if a value is not a string, a number, a boolean or a file, as the type demands."""
    if not _SCALAR_PREDICATES[tp](value):
        yield _wrong_type_flaw(tp, value, path)


def _no_flaws(_: None, value: Any, path: _Path) -> Iterator[_Flaw]:
    """Yield nothing, for types that accept any JSON."""
    yield from ()


def _wrong_type_flaw(tp: type, value: Any, path: _Path) -> _Flaw:
    return _Flaw(path, "invalid_type", value, (_JSON_TYPES[tp],))


def _is_number(value: Any) -> bool:
    """Return True for numbers. To Python, booleans are numbers too."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    """Return True for integers, and for decimals without a fraction."""
    return _is_number(value) and (isinstance(value, int) or value.is_integer())


_SCALAR_PREDICATES: Mapping[Any, Callable[[Any], bool]] = {
    str: lambda value: isinstance(value, str),
    int: _is_integer,
    float: _is_number,
    bool: lambda value: isinstance(value, bool),
    bytes: lambda value: isinstance(value, (str, tuple, list)),  # in JSON a string, in a form with its name and type
    type(None): lambda value: value is None,
}


_JSON_TYPES = {
    str: "a string",
    int: "an integer",
    float: "a decimal",
    bool: "a boolean",
    type(None): "null",
    list: "an array",
    dict: "an object",
    bytes: "a file",
    tuple: "a file",
}


# The message of a flaw by its code.
_FLAW_MESSAGES: Mapping[str, Callable[[_Flaw, str], str]] = {
    "missing_required_parameter": lambda flaw, param: f"Missing required parameter: '{param}'.",
    "unknown_parameter": lambda flaw, param: f"Unknown parameter: '{param}'.",
    "invalid_type": lambda flaw, param: (
        f"Invalid type for '{param}': expected {flaw.expected[0]}, but got {_JSON_TYPES[type(flaw.value)]} instead."
    ),
    "invalid_value": lambda flaw, param: (
        f"Invalid value: '{flaw.value}'. Supported values are: {_enumeration(flaw.expected)}."
    ),
}


def _enumeration(words: Sequence[str], conjunction: str = "and") -> str:
    """Return `a`, `a and b`, or `a, b, and c`. Return an empty string for no words."""
    if len(words) < 2:
        return "".join(words)
    *first_words, last_word = words
    comma = "," if len(first_words) > 1 else ""
    return f"{', '.join(first_words)}{comma} {conjunction} {last_word}"


# ---- objects that a request names ------------------------------------------------------------------------------------


def _require_object(call: _Call, resource: str, id: Any, param: str) -> _JSON:
    """Return the stored object that a parameter refers to. Raise the 404 of its resource if it does not exist."""
    _expire_if_due(call.store, _get_resource(resource), id)
    if id not in call.store[resource]:
        raise _get_resource(resource).not_found_error(id, param)
    return _load_object(call.store, _get_resource(resource), id)


def _check_cancellable(call: _Call) -> None:
    """An object in a final status cannot be cancelled."""
    obj = _require_target(call)
    if obj["status"] in _FINAL_STATUSES:
        _reject(f"Cannot cancel {call.resource.noun} with status '{obj['status']}'.")


def _find_ids(value: Any) -> list[Any]:
    """Return the ids in a parameter: one id or a list of ids, each a value of its own or in an object."""
    if isinstance(value, list):
        return [id for item in value for id in _find_ids(item)]
    id = value.get("id", value.get("file_id")) if isinstance(value, dict) else value
    if id and isinstance(id, (str, int, float)):
        return [id]
    return []  # the content of a file that is uploaded with the request has no id


def _require_target(call: _Call) -> _JSON:
    """Return the stored object that the path names. Raise the 404 of the object, or of a parent that does not exist."""
    _expire_if_due(call.store, call.resource, call.key)
    if call.key not in call.objects:
        _check_objects(call.resource.name, call.objects)
        _require_parents(call)
        raise call.resource.not_found_error(call.item_id, call.shape.item_param)
    return _load_object(call.store, call.resource, call.key)


def _require_parents(call: _Call) -> None:
    """Raise the 404 of a parent in the path that does not exist. The nearest parent is checked first."""
    resource = call.resource.parent
    parent_ids = call.parent_ids
    while resource and parent_ids:
        if _to_key(parent_ids) not in call.store[resource.name]:
            raise resource.not_found_error(parent_ids[-1], call.shape.parent_params[len(parent_ids) - 1])
        resource = resource.parent
        parent_ids = parent_ids[:-1]


# ======================================================================================================================
# MODEL OUTPUT: one turn of the model, for any API
# ======================================================================================================================


class _CompactReprMixin:
    """Dataclass mixin whose repr leaves out the fields that have their default."""

    def __repr__(self) -> str:
        arguments = []
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if value != field.default:
                arguments.append(f"{field.name}={value!r}")
        return f"{type(self).__name__}({', '.join(arguments)})"


@dataclasses.dataclass(frozen=True, repr=False)
class ToolCall(_CompactReprMixin):
    """A call of a tool by the model.

    name: the name of the tool.
    arguments: JSON, or the text input of a custom tool.
    id: the ID of the call. None if it is generated.
    broken: True if `arguments` is a string from the test, which may be invalid JSON on purpose.
    custom: True if the request offers the tool as a custom tool.
    """

    name: str
    arguments: str
    id: str | None = None
    broken: bool = False
    custom: bool = False


@dataclasses.dataclass(frozen=True, repr=False)
class Citation(_CompactReprMixin):
    """The source of a part of a text: a web page or a file.

    start, end: the part of the text, as positions of characters.
    url: the address of a web page, None for a file.
    title: the title of the web page, or the name of the file.
    file_id: the ID of a file, None for a web page.
    """

    start: int
    end: int
    url: str | None = None
    title: str = ""
    file_id: str | None = None


@dataclasses.dataclass(frozen=True, repr=False)
class Turn(_CompactReprMixin):
    """The model's output in one answer, for any API.

    Add turns with `+` to combine them into one. If their order is not that of a turn, or if the other operand is a dict,
    the sum is a `Reply`.

    text: the text, None if there is none.
    tool_calls: the calls of tools, in order.
    refusal: the text of a refusal.
    stop: the reason why the answer is incomplete: "length" or "content_filter". None if it is complete.
    reasoning: the reasoning that comes before the text.
    citations: the sources of parts of the text.
    structured: True if the text is JSON, which becomes the arguments of a call if the request forces one.
    """

    text: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    stop: str | None = None
    reasoning: str | None = None
    citations: tuple[Citation, ...] = ()
    structured: bool = False

    def __add__(self, other: Any) -> Any:
        if isinstance(other, str):
            other = Turn(other)
        if isinstance(other, Turn) and self._precedes(other):
            return self._combine(other)
        return _add_parts(self, other)

    def __radd__(self, other: Any) -> Any:
        if isinstance(other, str):
            return Turn(other) + self
        return _add_parts(other, self)

    def _precedes(self, other: Turn) -> bool:
        """Return True if all output of this turn comes before that of another one, in the order of one turn."""
        return max(self._positions(), default=0) <= min(other._positions(), default=2)

    def _positions(self) -> list[int]:
        """Return the positions of the kinds of output in the turn: reasoning, then the message, then tool calls."""
        has_message = self.text is not None or self.refusal is not None
        kinds = (self.reasoning is not None, has_message, bool(self.tool_calls))
        return [position for position, is_present in enumerate(kinds) if is_present]

    def _combine(self, other: Turn) -> Turn:
        """Return one turn with the output of both."""
        offset = len(self.text or "")
        shifted_citations = [
            dataclasses.replace(citation, start=citation.start + offset, end=citation.end + offset)
            for citation in other.citations
        ]
        return Turn(
            text=(self.text or "") + (other.text or "") or None,
            tool_calls=self.tool_calls + other.tool_calls,
            refusal=self.refusal or other.refusal,
            stop=self.stop or other.stop,
            reasoning=(self.reasoning or "") + (other.reasoning or "") or None,
            citations=(*self.citations, *shifted_citations),
            structured=(self.structured or other.structured) and not (self.text and other.text),
        )


@dataclasses.dataclass(frozen=True, repr=False)
class Reply:
    """One answer of several parts, in order. `reply()` and `+` return it.

    parts: texts, turns, items and dicts with fields of the answer.
    headers: response headers, in addition to those that the API sends.
    """

    parts: tuple[Any, ...]
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __add__(self, other: Any) -> Any:
        return _add_parts(self, other)

    def __radd__(self, other: Any) -> Any:
        return _add_parts(other, self)

    def __repr__(self) -> str:
        arguments = [repr(part) for part in self.parts]
        if self.headers:
            arguments.append(f"headers={self.headers!r}")
        return f"reply({', '.join(arguments)})"


def _is_part(value: Any) -> bool:
    """Return True for a part of an answer: a text, a builder's result, an item or fields as a dict or a model."""
    return isinstance(value, (str, Turn, Reply, Mapping)) or _is_pydantic_model(type(value))


def _add_parts(first: Any, second: Any) -> Any:
    """Return the sum of two parts, or `NotImplemented` if one of them is not a part, so that Python raises `TypeError`."""
    if _is_part(first) and _is_part(second):
        return reply(first, second)
    return NotImplemented


def _tool_call_fields(tool_call: ToolCall) -> _JSON:
    """Return the name of a call and its arguments, which are called `input` for a custom tool."""
    if tool_call.custom:
        return {"name": tool_call.name, "input": tool_call.arguments}
    return {"name": tool_call.name, "arguments": tool_call.arguments}


def _url_citation(citation: Citation, nested: bool = False) -> _JSON:
    """Return the annotation for a cited page. Raise `TypeError` for a cited file.

    nested: put the fields below `url_citation`, as chat completions do.
    """
    if citation.url is None:
        raise TypeError(f"{citation!r}: this endpoint cites pages (url=...), but not files")
    fields = {"url": citation.url, "title": citation.title, "start_index": citation.start, "end_index": citation.end}
    if nested:
        return {"type": "url_citation", "url_citation": fields}
    return {"type": "url_citation", **fields}


def _turn_to_text(turn: Turn) -> _JSON:
    """Return a partial with the text of a turn. Raise `TypeError` for a turn without text, or with citations."""
    if turn.text is None or turn.citations:
        raise TypeError(f"{turn!r}: this endpoint answers with plain text, without tool calls, refusals or citations")
    return {"text": turn.text}


# By response model, a function that converts a turn to a partial of the model. It raises `TypeError` for a turn that the
# model has no fields for. The key is the name of the endpoint if other calls with the same model don't answer with turns.
_TURN_CONVERTERS: dict[str, Callable[[Turn], _JSON]] = {}


def _turn_converter(row: _Row) -> Callable[[Turn], _JSON] | None:
    """Return the function that converts a turn to an answer of an endpoint, or None if it doesn't answer with turns."""
    return _TURN_CONVERTERS.get(row.name) or _TURN_CONVERTERS.get(row.model)


# The responses API's reason for an incomplete answer, by `Turn.stop`.
_INCOMPLETE_REASONS = {
    "length": "max_output_tokens",
    "content_filter": "content_filter",
}


# ---- the turn where nothing is set -----------------------------------------------------------------------------------


_GetMessages = Callable[[], Sequence[_JSON]]  # returns the messages or items that the model sees, oldest first


def _default_turn(body: Mapping[str, Any], get_messages: _GetMessages = tuple) -> Turn | None:
    """Return a turn that a request demands: a call of the tool that it forces, or else JSON for the schema of its output.

    get_messages: is called only if the turn depends on earlier tool calls.
    Return None if the request demands neither. Raise the 400 of an invalid schema, and `_GenerationError` if no value is
    found for a valid one.
    """
    forced_tool = _forced_tool(body, get_messages)
    if forced_tool:
        name, schema = forced_tool
        is_custom = name in _custom_tools(body)
        arguments = "text" if is_custom else _generate(schema or {}, f"function '{name}'", body)
        return _mark_custom_calls(tool_call(name, arguments), body)
    schema = _output_schema(body)
    if schema is None:
        return None
    return Turn(json.dumps(_generate(schema, "response_format", body)))


def _forced_tool(body: Mapping[str, Any], get_messages: _GetMessages, arguments: Any = None) -> tuple[str, Any] | None:
    """Return the name and the parameter schema of the tool that a request's `tool_choice` forces, or None.

    If it forces any tool of several, that is the first one that was not called yet, so that a loop of tool calls gets on.
    When all were called, it is the last one, which ends the loop of an agent whose output is the call of a tool.

    arguments: the arguments of the call, if they are known. Tools that have a parameter for each of them are preferred.
    """
    tools = dict(_offered_tools(body))
    names = _forced_names(body.get("tool_choice"), tools)
    if not names:
        return None
    names = [name for name in names if _has_parameters(tools[name], arguments)] or names
    name = names[-1]
    if len(names) > 1:
        called_names = _called_names(get_messages())
        name = next((name for name in names if name not in called_names), name)
    return name, tools[name]


def _forced_names(choice: Any, tools: Mapping[str, Any]) -> list[str]:
    """Return the names of those tools one of which `tool_choice` forces."""
    if choice == "required":
        return list(tools)
    if not isinstance(choice, dict):
        return []
    named_tool = _get_dict(choice, "function") or _get_dict(choice, "custom") or choice
    names = [named_tool.get("name")]
    allowed = _get_dict(choice, "allowed_tools") or choice
    if allowed.get("mode") == "required":
        names = [name for name, _ in _offered_tools(allowed)]
    return [name for name in names if name in tools]


def _has_parameters(schema: Any, arguments: Any) -> bool:
    """Return True if a schema has a property for each of the arguments."""
    if not isinstance(arguments, dict):
        return True
    return isinstance(schema, dict) and arguments.keys() <= _get_dict(schema, "properties").keys()


def _called_names(messages: Sequence[_JSON]) -> set[str]:
    """Return the names of the tools that the model has called in messages of a chat, in items or in steps of a run."""
    names = set()
    for message in _only_dicts(messages):
        calls = [message] if message.get("type") in ("function_call", "custom_tool_call") else []
        for call in (*calls, *_only_dicts(message.get("tool_calls"))):
            definition = _get_dict(call, "function") or _get_dict(call, "custom") or call
            names.add(str(definition.get("name")))
    return names


def _fit_turn_to_tools(turn: Turn, call: _Call) -> Turn:
    """Return a turn adapted to the tools of a request.

    JSON becomes the arguments of the call that the request forces, if it forces one. Calls of custom tools are marked.
    """
    if turn.structured:
        get_messages = functools.partial(_conversation_of, call)
        with call.store.lock:
            forced_tool = _forced_tool(call.body, get_messages, json.loads(typing.cast(str, turn.text)))
        if forced_tool:
            name, _ = forced_tool
            is_custom = name in _custom_tools(call.body)
            forced_call = ToolCall(name, typing.cast(str, turn.text), broken=is_custom, custom=is_custom)
            return dataclasses.replace(turn, text=None, structured=False, tool_calls=(forced_call,))
    return _mark_custom_calls(turn, call.body)


def _mark_custom_calls(turn: Turn, body: Mapping[str, Any]) -> Turn:
    """Return a turn with the calls of those tools marked that a request offers as custom tools."""
    custom_tools = _custom_tools(body)
    tool_calls = [dataclasses.replace(call, custom=call.name in custom_tools) for call in turn.tool_calls]
    return dataclasses.replace(turn, tool_calls=tuple(tool_calls))


def _custom_tools(body: Mapping[str, Any]) -> _JSON:
    return dict(_offered_tools(body, ("custom",)))


def _offered_tools(
    body: Mapping[str, Any], tool_types: Sequence[str] = ("function", "custom")
) -> Iterator[tuple[str, Any]]:
    """Yield the name and the parameter schema of each tool in a request. Knows the forms of all APIs."""
    for _, definition in _tool_definitions(body, tool_types):
        if "name" in definition:
            yield definition["name"], definition.get("parameters")


def _tool_definitions(body: Mapping[str, Any], tool_types: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield the path and the definition of each tool in a request that has one of the types."""
    for index, tool in enumerate(_only_dicts(body.get("tools"))):
        tool_type = tool.get("type")
        if tool_type not in tool_types:
            continue
        nested_definition = tool.get(tool_type)  # in chat completions
        if nested_definition:
            yield f"tools[{index}].{tool_type}", nested_definition
        else:
            yield f"tools[{index}]", tool


def _output_schema(body: Mapping[str, Any]) -> Any:
    """Return the JSON schema for the output that a request asks for, or None if it does not ask for JSON."""
    output_format = body.get("response_format") or _get_dict(body, "text").get("format")
    if not isinstance(output_format, dict) or output_format.get("type") not in ("json_schema", "json_object"):
        return None
    return output_format.get("schema") or (output_format.get("json_schema") or {}).get("schema") or {"type": "object"}


# ---- text, tokens and log probabilities ------------------------------------------------------------------------------


def _count_tokens(text: str) -> int:
    """Return the number of tokens in a text: one for every four characters, rounded up. The docs promise this count."""
    return math.ceil(len(text) / 4)


_TEXT_KEYS = ("text", "refusal", "transcript", "value", "content", "summary", "output")


def _extract_text(content: Any) -> str:
    """Return the text in any form of content: a string, parts, messages, items."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(filter(None, map(_extract_text, content)))
    if isinstance(content, dict):
        for key in _TEXT_KEYS:
            if content.get(key):
                return _extract_text(content[key])
    return ""


def _fake_logprobs(text: str | None, top: int | None = None) -> list[_JSON]:
    """Return the log probability of each token in a text, always the same for the same text.

    top: the number of likely tokens to list for each token, or None to leave the list out.
    """
    logprobs = []
    for token in _split_text(text, 4):
        logprob = _token_logprob(token)
        if top is not None:
            logprob["top_logprobs"] = [_token_logprob(f"{token}{rank or ''}", rank) for rank in range(top)]
        logprobs.append(logprob)
    return logprobs


def _split_text(text: str | None, chunk: int | None) -> Iterator[str]:
    """Yield a text in pieces of `chunk` characters, or of one word each with the whitespace after it."""
    text = text or ""
    if chunk:
        for start in range(0, len(text), chunk):
            yield text[start : start + chunk]
    else:
        for match in re.finditer(r"\S+\s*|\s+", text):
            yield match[0]


def _token_logprob(token: str, rank: int = 0) -> _JSON:
    """Return a token with its log probability. The probabilities of all ranks add up to less than one."""
    logprob = -2.0 - rank if rank else -0.1
    return {"token": token, "logprob": logprob, "bytes": list(_encode_utf8(token))}


def _logprobs_by_piece(pieces: Sequence[str], logprobs: Iterable[_JSON]) -> list[list[_JSON]]:
    """Return the log probabilities of the tokens that begin in each piece of a text. The last piece gets all others."""
    if not pieces:
        return []
    piece_ends = list(itertools.accumulate(map(len, pieces)))
    logprobs_per_piece: list[list[_JSON]] = [[] for _ in pieces]
    position = 0
    for logprob in logprobs:
        index = min(bisect.bisect(piece_ends, position), len(pieces) - 1)
        logprobs_per_piece[index].append(logprob)
        position += len(logprob.get("token") or "")
    return logprobs_per_piece


def _usage_field(obj: Mapping[str, Any], **counts: int) -> _JSON:
    """Return the usage of an answer with these token counts and their total, or nothing for an answer without usage."""
    usage = obj.get("usage")
    if not usage:
        return {}
    return {"usage": {**usage, **counts, "total_tokens": sum(counts.values())}}


# ---- scripts: what a test set, prepared ------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, repr=False)
class Pace(_CompactReprMixin):
    """The speed of a streamed answer, and the fault that ends it, as the parameters of `streamed()` set them.

    chunk: the number of characters in a piece of text, None for a word.
    first_delay: seconds before the first event.
    delay: seconds before each other event.
    fail_after: the number of events before the fault, None for no fault.
    fault: the fault, None for a broken connection.
    """

    chunk: int | None = None
    first_delay: float = 0
    delay: float = 0
    fail_after: int | None = None
    fault: Any = None


_NO_DELAY = Pace()


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class _Script:
    """A response that a test set, checked and prepared when it was set."""

    templates: Mapping[Any, Any] = dataclasses.field(default_factory=dict)  # the response merged into each model
    # the fields that the test set, which override all others
    set_fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    turn: Turn | None = None  # the model's output, if the response is a turn
    pace: Pace = _NO_DELAY
    resolve: Callable[[_Call], Any] | None = None  # for a response that depends on the call; see `_resolve_script`
    step_count: int | None = None  # the length of a list of responses
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)  # headers of the answer that the test set

    @property
    def sets_state(self) -> bool:
        """Return True if the test set the state an object is in, so that it skips its intermediate states."""
        return not self.set_fields.keys().isdisjoint(_STATUS_FIELDS)


_NOT_SET = _Script()  # stands for a response that the test did not set


# ======================================================================================================================
# SCHEMA GENERATION: a value that satisfies a JSON schema
# ======================================================================================================================


class _GenerationError(Exception):
    """A schema that the service may accept, but for which this module finds no value.

    This is a limit of the mock, so it never becomes an error of the service: `_attribute_errors` raises it to the author
    of the test as an `AssertionError` that names the endpoint to set a response for.
    """


def _generate(schema: Any, label: str, body: Mapping[str, Any]) -> Any:
    """Return a small value that is valid for a schema in a request, always the same value for the same schema.

    schema: the schema, with references into itself.
    label: the name of the schema in error messages.
    body: the request, in which the path of the schema is looked up for errors.
    Raise the service's 400 for an invalid schema, and `_GenerationError` if no value is found for a valid one.
    """
    try:
        return _generate_value(schema)
    except (_GenerationError, re.error, *_MALFORMED_INPUT_ERRORS) as error:
        limit = _describe_limit(error)
        if limit:
            raise _GenerationError(f"openai-responses can't generate a value for {limit} ({label})") from None
        message = f"Invalid schema for {label}: {error}"
    for request_schema in _request_schemas(body):
        if request_schema.schema is schema:
            _reject(message, request_schema.param, request_schema.code)
    _reject(message)


def _describe_limit(error: Exception) -> str | None:
    """Describe a schema that this module can't generate a value for, or return None if the error is the schema's."""
    if isinstance(error, _GenerationError):
        return str(error)
    if isinstance(error, RecursionError):
        return "a schema that is nested too deeply"
    if isinstance(error, OverflowError):
        return "a schema with a number that is too large"
    if isinstance(error, re.error) and error.msg.startswith(_REGEX_ERRORS_OF_PYTHON_ONLY):
        return f"a schema with a pattern that Python can't compile, {error}"
    return None


# How the messages begin that Python has for regular expressions that are valid in other languages.
_REGEX_ERRORS_OF_PYTHON_ONLY = (
    "bad escape \\",
    "cannot refer to an open group",
    "invalid group reference",
    "look-behind requires fixed-width pattern",
    "unknown extension",
)


class _SchemaPart(NamedTuple):
    """A schema that a value must satisfy, perhaps one of several, and the references that led to it from the root."""

    schema: Any
    refs: tuple[str, ...] = ()


_NO_VALUE = object()  # stands for a value that does not exist, because None is valid JSON


class _DeadEnd(NamedTuple):
    """Schemas that no suggested value satisfies together, and the last value that was rejected."""

    schemas: list[Any]
    rejected: Any = _NO_VALUE


@dataclasses.dataclass(eq=False, repr=False)
class _Generation:
    """The state of one generation."""

    root: Any  # the schema that references point into
    max_repeats: int  # how often one reference may lead back to itself
    limit: int = 1_000_000  # of `spent`
    has_formats: bool = False  # True if the check met a `format`
    asserts_formats: bool = False  # True if a value with the wrong format is invalid
    spent: int = 0
    skipped_refs: int = 0  # the number of references not followed because of `max_repeats`
    dead_ends: list[_DeadEnd] = dataclasses.field(default_factory=list)  # innermost first
    matches: dict[tuple[str, str], bool] = dataclasses.field(default_factory=dict)  # by pattern and text

    def spend(self, cost: int) -> int:
        """Add to the cost of the generation, and return the cost. A character costs 1.

        Raise `_GenerationError` for a cost that would exceed the limit.
        """
        if self.spent + cost > self.limit:
            raise _GenerationError("a schema that asks for too large a value, or for too many attempts")
        self.spent += cost
        return cost


def _generate_value(schema: Any) -> Any:
    """Return the first valid value for a schema. Raise `_GenerationError` if none is found."""
    for max_repeats in (1, 2, 3):  # the less recursion, the smaller the value
        generation = _Generation(schema, max_repeats)
        for value in _valid_values([_SchemaPart(schema)], generation):
            return value
        if not generation.skipped_refs:
            break
    if generation.skipped_refs and not generation.dead_ends:
        raise _GenerationError("a schema that refers to itself without end")
    raise _GenerationError(_describe_dead_end(generation))


def _valid_values(parts: list[_SchemaPart], generation: _Generation) -> Iterator[Any]:
    """Yield values that satisfy all of several schemas (`parts`), simplest first.

    Each choice among their alternatives is tried. A choice that gives no value is added to `generation.dead_ends`, from
    which the error message is made.
    """
    generation.spend(100)
    for plain_parts in _expand(parts, generation):
        skipped_before = generation.skipped_refs
        found = False
        rejected = _NO_VALUE
        for value in _suggest(plain_parts, generation):
            if _satisfies(value, parts, generation):
                found = True
                yield value
            else:
                rejected = value
        # no dead end if nothing was suggested only because a recursive `$ref` wasn't followed any further
        was_recursion_cut = skipped_before != generation.skipped_refs and rejected is _NO_VALUE
        if not found and not was_recursion_cut:
            generation.dead_ends.append(_DeadEnd([part.schema for part in parts], rejected))


def _describe_dead_end(generation: _Generation) -> str:
    """Describe the innermost schema without a value, by its keywords and its place: "a schema with 'not' at items".

    Several schemas that contradict each other are described together.
    """
    culprits: list[tuple[Any, list[str]]] = []
    for dead_end in (*generation.dead_ends, _DeadEnd([generation.root])):
        culprits = _find_culprits(dead_end, _rejecting_keywords, generation)
        if not culprits:  # no value was rejected, or it was rejected for a value in it
            culprits = _find_culprits(dead_end, _constraining_keywords, generation)
        if culprits:
            break
    keywords: dict[str, None] = {}  # in order, without duplicates
    places = []
    for schema, schema_keywords in culprits:
        keywords.update(dict.fromkeys(schema_keywords))
        path = _find_schema_path(schema, generation.root)
        if path:
            places.append(_format_path(path))
    if not keywords:
        return "a schema that no value satisfies"
    description = f"a schema with {_enumeration([f'{keyword!r}' for keyword in keywords])}"
    if places:
        description += f" at {_enumeration(places)}"
    return description


def _find_culprits(
    dead_end: _DeadEnd, select_keywords: Callable[[_JSON, Any, _Generation], list[str]], generation: _Generation
) -> list[tuple[Any, list[str]]]:
    """Return the schemas of a dead end for which some keywords are selected, each with these keywords.

    `$ref` and `anyOf` are replaced by the schemas that they lead to. `type` is left out if there are other keywords,
    because all types can be generated.
    """
    culprits = []
    schemas = _only_dicts(dead_end.schemas)
    for schema in schemas:  # grows in the loop
        keywords = []
        for keyword in select_keywords(schema, dead_end.rejected, generation):
            if keyword not in ("$ref", "anyOf"):
                keywords.append(keyword)
                continue
            for option in itertools.chain(*_COMBINATIONS[keyword](schema, generation.root)):
                is_known = any(option is known for known in schemas)
                if isinstance(option, dict) and not is_known:
                    schemas.append(option)
        if keywords:
            other_keywords = [keyword for keyword in keywords if keyword != "type"]
            culprits.append((schema, other_keywords or keywords))
    return culprits


def _rejecting_keywords(schema: _JSON, rejected: Any, generation: _Generation) -> list[str]:
    """Return the keywords of a schema for which the rejected value of a dead end is invalid."""
    if rejected is _NO_VALUE:
        return []
    keywords = []
    for keyword, argument in schema.items():
        rule = _KEYWORD_RULES.get(keyword)
        with contextlib.suppress(_GenerationError):
            if rule and not rule(rejected, argument, schema, generation):
                keywords.append(keyword)
    return keywords


def _constraining_keywords(schema: _JSON, rejected: Any, generation: _Generation) -> list[str]:
    """Return the keywords of a schema that are not annotations."""
    return [keyword for keyword in schema if keyword in _KEYWORD_RULES or keyword in _NESTING_KEYWORDS]


def _find_schema_path(schema: Any, root: Any) -> _Path:
    """Return the path from the root schema to an object in it, compared by identity."""
    remaining: list[tuple[_Path, Any]] = [((), root)]
    while remaining:
        path, node = remaining.pop()
        if node is schema:
            return path
        if isinstance(node, dict):
            remaining += [((*path, key), child) for key, child in node.items()]
        elif isinstance(node, list):
            remaining += [((*path, index), child) for index, child in enumerate(node)]
    return ()


# ---- from one schema to plain ones: no references, no alternatives ---------------------------------------------------


def _expand(parts: list[_SchemaPart], generation: _Generation) -> Iterator[list[_SchemaPart]]:
    """Yield the parts without `$ref`, `allOf`, `anyOf`, `oneOf` and `if`: one list for each way to choose among them.

    Such parts are called plain. The lists come in the order of the schema, depth first.
    """
    # the plain parts of an unfinished list, and the parts to expand yet
    unfinished: list[tuple[list[_SchemaPart], list[_SchemaPart]]] = [([], parts)]
    while unfinished:
        plain, remaining = unfinished.pop()
        generation.spend(20 + len(plain) + len(remaining))
        if not remaining:
            yield plain
            continue
        part, *remaining = remaining
        if part.schema is False:
            generation.dead_ends.append(_DeadEnd([False]))
            continue
        if not isinstance(part.schema, dict):  # True accepts any value
            unfinished.append((plain, remaining))
            continue
        keyword = next((keyword for keyword in _COMBINATIONS if keyword in part.schema), None)
        if keyword is None:
            unfinished.append(([*plain, part], remaining))
            continue
        for option in reversed(_expand_keyword(part, keyword, generation)):  # an option begins with the other keywords
            unfinished.append((plain, [*option, *remaining]))


def _expand_keyword(part: _SchemaPart, keyword: str, generation: _Generation) -> list[list[_SchemaPart]]:
    """Return the lists of parts that one keyword of a schema allows, each with the rest of the schema."""
    refs = part.refs
    if keyword == "$ref":
        refs += (part.schema["$ref"],)
        if refs.count(part.schema["$ref"]) > generation.max_repeats:
            generation.skipped_refs += 1
            return []
    options = _COMBINATIONS[keyword](part.schema, generation.root)
    if not options:
        raise ValueError(f"{keyword!r} should be non-empty")
    rest = {key: argument for key, argument in part.schema.items() if key != keyword}
    expanded = []
    for option in options:
        option_parts = [_SchemaPart(schema, refs) for schema in option]
        expanded.append([part._replace(schema=rest), *option_parts])
    return expanded


# The keywords that combine schemas. For each one: the lists of schemas, one of which a value must satisfy in full.
_COMBINATIONS: Mapping[str, Callable[[Any, Any], list[list[Any]]]] = {
    "$ref": lambda schema, root: [[_resolve_ref(schema["$ref"], root)]],
    "allOf": lambda schema, root: [schema["allOf"]],
    "anyOf": lambda schema, root: [[option] for option in schema["anyOf"]],
    "oneOf": lambda schema, root: [[option] for option in schema["oneOf"]],
    "if": lambda schema, root: [[schema["if"], schema.get("then", True)], [schema.get("else", True)]],
}


def _resolve_ref(ref: str, root: Any) -> Any:
    """Return the schema that a JSON pointer (RFC 6901) in a URI fragment points to. Raise `ValueError` if there is none."""
    start, *keys = unquote(ref).split("/")
    node = root
    try:
        if start != "#":
            raise LookupError(ref)
        for key in keys:
            key = key.replace("~1", "/").replace("~0", "~")
            node = node[_list_index(key) if isinstance(node, list) else key]
    except (LookupError, TypeError):
        raise ValueError(f"the reference {ref!r} leads nowhere") from None
    return node


def _list_index(key: str) -> int:
    """Return the list index in a JSON pointer. Raise `LookupError` if it is not one: `int` takes signs and spaces too."""
    if not re.fullmatch("0|[1-9][0-9]*", key):
        raise LookupError(key)
    return int(key)


# ---- suggestions -----------------------------------------------------------------------------------------------------


def _suggest(plain: list[_SchemaPart], generation: _Generation) -> Iterator[Any]:
    """Yield values that may be valid for plain parts, simplest first."""
    if not plain:
        yield {}
    elif any("const" in part.schema or "enum" in part.schema for part in plain):
        yield from _enumerated_values(plain, generation)
    else:
        for name in _allowed_types(plain):
            yield from _SUGGESTERS[name](plain, generation)


def _keyword_values(plain: list[_SchemaPart], *keywords: str) -> list[Any]:
    """Return the arguments that the parts have for some keywords."""
    return [part.schema[keyword] for part in plain for keyword in keywords if keyword in part.schema]


def _count_values(plain: list[_SchemaPart], keyword: str) -> list[Any]:
    """Return the arguments that the parts have for a keyword that counts. JSON schema allows 2.0 for 2."""
    counts = []
    for count in _keyword_values(plain, keyword):
        is_whole = isinstance(count, float) and count.is_integer()
        counts.append(int(count) if is_whole else count)
    return counts


def _enumerated_values(plain: list[_SchemaPart], generation: _Generation) -> Iterator[Any]:
    """Yield the values of `const` and of `enum`."""
    for value in (*_keyword_values(plain, "const"), *itertools.chain(*_keyword_values(plain, "enum"))):
        if isinstance(value, str):
            for pattern in _keyword_values(plain, "pattern"):
                _cache_match(pattern, value, generation)
        yield value


def _allowed_types(plain: list[_SchemaPart]) -> list[str]:
    """Return the types that all parts allow. Raise `ValueError` for an unknown type.

    Assume an object or a string if no part has a type.
    """
    type_lists = [[types] if isinstance(types, str) else types for types in _keyword_values(plain, "type")]
    if not type_lists:
        return ["object" if _keyword_values(plain, "properties") else "string"]
    names: dict[str, None] = {}  # in order, without duplicates
    accepted_sets = []
    for type_list in type_lists:
        if not type_list:
            raise ValueError(f"{type_list!r} is not a valid type")
        for name in type_list:
            if not isinstance(name, str) or name not in _SUGGESTERS:
                raise ValueError(f"{name!r} is not a valid type")
            names[name] = None
        accepted = set(type_list)
        if "number" in accepted:
            accepted.add("integer")
        accepted_sets.append(accepted)
    return [name for name in names if all(name in accepted for accepted in accepted_sets)]


def _suggest_objects(plain: list[_SchemaPart], generation: _Generation) -> Iterator[_JSON]:
    """Yield objects that have the required properties, and others only if `minProperties` demands more."""
    properties = dict.fromkeys(itertools.chain(*_keyword_values(plain, "properties")))
    required = dict.fromkeys(itertools.chain(*_keyword_values(plain, "required")))
    names = [name for name in properties if name in required]
    names += [name for name in required if name not in properties]
    missing = max(_count_values(plain, "minProperties"), default=0) - len(names)
    if missing > 0:
        known_names = [name for name in properties if name not in required]
        new_names = map("key{}".format, itertools.count())
        # `islice` takes numbers up to `maxsize`; the cost ends the loop long before
        for name in itertools.islice(itertools.chain(known_names, new_names), min(missing, sys.maxsize)):
            generation.spend(len(name))
            names.append(name)
    streams = [_valid_values(_property_parts(plain, name, generation), generation) for name in names]
    for values in _advance_together(streams):
        yield dict(zip(names, values, strict=True))


def _property_parts(plain: list[_SchemaPart], name: str, generation: _Generation) -> list[_SchemaPart]:
    """Return the parts that a property must satisfy."""
    parts = []
    for part in plain:
        for schema in _property_schemas(name, part.schema, generation):
            parts.append(_SchemaPart(schema, part.refs))
    return parts


def _suggest_lists(plain: list[_SchemaPart], generation: _Generation) -> Iterator[list[Any]]:
    """Yield lists with an item for each schema of `prefixItems`, and more items if `minItems` demands them.

    If neither demands an item, yield a list of one item before the empty list.
    """
    length = max(map(len, _keyword_values(plain, "prefixItems")), default=0)
    max_length = min(_count_values(plain, "maxItems"), default=math.inf)
    fixed = min(length, max_length)
    missing = max(max(_count_values(plain, "minItems"), default=0) - fixed, 0)
    if not fixed and not missing and max_length >= 1:
        item = _optional_item(plain, generation)
        if item is not _NO_VALUE:
            yield [item]
    items = [_valid_values(_item_parts(plain, index), generation) for index in range(fixed)]
    more_items = _valid_values(_item_parts(plain, length), generation)
    if any(_keyword_values(plain, "uniqueItems")):
        distinct = _pick_distinct(itertools.chain(items, itertools.repeat(more_items, missing)))
        if distinct is not None:
            yield distinct
        return
    if missing:
        items.append(more_items)
    for values in _advance_together(items):
        if missing:
            generation.spend(missing * len(json.dumps(values[-1])))
        yield values[:fixed] + values[fixed:] * missing


def _optional_item(plain: list[_SchemaPart], generation: _Generation) -> Any:
    """Return an item for a list that may also be empty, or `_NO_VALUE` if no item is found at little cost.

    A schema for which a value without the item can be generated must not fail because of the item.
    """
    budget = (min(generation.limit, _MAX_OPTIONAL_COST) - generation.spent) // 4  # the rest is for what follows
    outer_limit = generation.limit
    dead_end_count = len(generation.dead_ends)
    contained = [_SchemaPart(part.schema["contains"], part.refs) for part in plain if "contains" in part.schema]
    generation.limit = generation.spent + budget
    try:
        item = next(_valid_values(_item_parts(plain, 0) + contained, generation), _NO_VALUE)
    except (_GenerationError, re.error, *_MALFORMED_INPUT_ERRORS) as error:
        if _describe_limit(error) is None:
            raise
        item = _NO_VALUE
    finally:
        generation.limit = outer_limit
    if item is _NO_VALUE:
        del generation.dead_ends[dead_end_count:]  # they explain nothing, because the list may be empty
    return item


_MAX_OPTIONAL_COST = 100_000  # no optional items are generated from here on


def _item_parts(plain: list[_SchemaPart], index: int) -> list[_SchemaPart]:
    """Return the parts that an item of a list must satisfy."""
    return [_SchemaPart(_item_schema(index, part.schema), part.refs) for part in plain]


def _advance_together(streams: list[Iterator[Any]]) -> Iterator[list[Any]]:
    """Yield lists of one value from each stream: its next value, or its last one if it has ended.

    Stop when all streams have ended, or at once if one of them is empty.
    """
    values = []
    for stream in streams:
        first = next(stream, _NO_VALUE)
        if first is _NO_VALUE:
            return
        values.append(first)
    while True:
        yield values
        next_values = [next(stream, _NO_VALUE) for stream in streams]
        if all(value is _NO_VALUE for value in next_values):
            return
        values = [old if new is _NO_VALUE else new for old, new in zip(values, next_values, strict=True)]


def _pick_distinct(streams: Iterable[Iterator[Any]]) -> list[Any] | None:
    """Return one value from each stream, all of them different, or None if a stream does not have another value."""
    values: _JSON = {}
    for stream in streams:
        for value in stream:
            key = _sorted_json(value)
            if key not in values:
                values[key] = value
                break
        else:
            return None
    return list(values.values())


def _suggest_numbers(plain: list[_SchemaPart], generation: _Generation, integers_only: bool = False) -> Iterator[Any]:
    """Yield multiples of the step within the bounds: from the one nearest to 0 upwards, then downwards.

    Then yield the bounds themselves and the number in the middle, in case the bounds are closer than one step.
    """
    lows = _keyword_values(plain, "minimum", "exclusiveMinimum")
    highs = _keyword_values(plain, "maximum", "exclusiveMaximum")
    for step in map(_to_fraction, _keyword_values(plain, "multipleOf") or [1]):
        if integers_only:
            step = step.numerator
        first = 0
        for low in lows:
            first = max(first, math.ceil(_to_fraction(low) / step) * step)
        for high in highs:
            first = min(first, math.floor(_to_fraction(high) / step) * step)
        for number in range(_MAX_TRIES):
            yield _as_number(first + number * step)
        for number in range(1, _MAX_TRIES):
            yield _as_number(first - number * step)
    yield from lows
    yield from highs
    if lows and highs:
        yield (max(lows) + min(highs)) / 2


_MAX_TRIES = 100  # how many numbers or texts are tried: enough for a list of different ones


def _to_fraction(number: float) -> Any:
    """Return a number as the fraction that its decimal digits stand for: 0.1 is a tenth."""
    import fractions

    return fractions.Fraction(str(number))


def _as_number(fraction: Any) -> int | float:
    return int(fraction) if fraction == int(fraction) else float(fraction)


def _suggest_texts(plain: list[_SchemaPart], generation: _Generation) -> Iterator[str]:
    """Yield the examples of known formats and texts for the patterns.

    Without any, yield `text`, `text1` and so on, extended or cut to the allowed length. A format without an example
    counts as no format. The caller checks the length of examples.
    """
    min_length = max(_count_values(plain, "minLength"), default=0)
    max_length = min(_count_values(plain, "maxLength"), default=math.inf)
    examples = [_FORMAT_EXAMPLES[name] for name in _keyword_values(plain, "format") if name in _FORMAT_EXAMPLES]
    patterns = _keyword_values(plain, "pattern")
    yield from examples
    for pattern in patterns:
        yield from _pattern_texts(pattern, min_length, generation)
    if examples or patterns:
        return
    for number in range(_MAX_TRIES):
        generation.spend(min_length)
        text = f"text{number or ''}".ljust(min_length, "x")
        yield text[max(len(text) - max_length, 0) :]  # cut at the front, to keep the number


_FORMAT_EXAMPLES = {
    "date": "2024-01-01",
    "date-time": "2024-01-01T00:00:00Z",
    "duration": "P1D",
    "email": "user@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "time": "12:00:00Z",
    "uri": "https://example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


# The values to try for each type.
_SUGGESTERS: Mapping[str, Callable[[list[_SchemaPart], _Generation], Iterable[Any]]] = {
    "array": _suggest_lists,
    "boolean": lambda plain, generation: [False, True],
    "integer": functools.partial(_suggest_numbers, integers_only=True),
    "null": lambda plain, generation: [None],
    "number": _suggest_numbers,
    "object": _suggest_objects,
    "string": _suggest_texts,
}


# ---- the check -------------------------------------------------------------------------------------------------------


def _satisfies(value: Any, parts: list[_SchemaPart], generation: _Generation) -> bool:
    """Return True if a value is known to be valid for all parts, for validators that ignore `format` and for others."""
    try:
        for asserts_formats in (False, True):
            generation.asserts_formats = asserts_formats
            for part in parts:
                if not _is_valid(value, part.schema, generation):
                    return False
            if not generation.has_formats:
                break
    except _UndecidedError:
        return False
    return True


def _is_valid(value: Any, schema: Any, generation: _Generation) -> bool:
    """Return True if a value is valid for a schema. Raise `_UndecidedError` if that would take too long to find out."""
    if not isinstance(schema, dict):
        return schema is not False
    generation.spend(20)
    for keyword, argument in schema.items():
        rule = _KEYWORD_RULES.get(keyword)
        if rule and not rule(value, argument, schema, generation):
            return False
    for inner, subschema in _nested_values(value, schema, generation):
        if not _is_valid(inner, subschema, generation):
            return False
    return True


def _nested_values(value: Any, schema: _JSON, generation: _Generation) -> Iterator[tuple[Any, Any]]:
    """Yield the values that must satisfy a part of the schema, each with that part: properties, their names, and items."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name, schema.get("propertyNames", True)
            yield value, schema.get("dependentSchemas", {}).get(name, True)
            for subschema in _property_schemas(name, schema, generation):
                yield inner, subschema
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield inner, _item_schema(index, schema)


# The keywords that `_nested_values` reads.
_NESTING_KEYWORDS = {
    "additionalProperties",
    "dependentSchemas",
    "items",
    "patternProperties",
    "prefixItems",
    "properties",
    "propertyNames",
}


def _property_schemas(name: str, schema: _JSON, generation: _Generation) -> list[Any]:
    """Return the schemas that a schema has for a property of this name."""
    schemas = []
    properties = schema.get("properties", {})
    if name in properties:
        schemas.append(properties[name])
    for pattern, subschema in schema.get("patternProperties", {}).items():
        if _matches_pattern(pattern, name, generation):
            schemas.append(subschema)
    return schemas or [schema.get("additionalProperties", True)]


def _item_schema(index: int, schema: _JSON) -> Any:
    """Return the schema that a schema has for the item of a list at this index."""
    prefix_items = schema.get("prefixItems", ())
    return prefix_items[index] if index < len(prefix_items) else schema.get("items", {})


def _rule_for(types: tuple[type, ...], predicate: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Return a rule that checks values of some types with a predicate, and accepts values of all others."""
    return lambda value, argument, *_: type(value) not in types or predicate(value, argument)


def _has_type(value: Any, types: Any, *_: Any) -> bool:
    """Return True if a value has the type, or one of the types."""
    allowed_types = [types] if isinstance(types, str) else types
    return any(name in allowed_types for name in _TYPE_NAMES[type(value)])


def _has_format(value: Any, name: Any, schema: Any, generation: _Generation) -> bool:
    """Return True if a text is the example of a known format, or formats are ignored."""
    generation.has_formats = True
    if not generation.asserts_formats or not isinstance(value, str):
        return True
    return _FORMAT_EXAMPLES.get(name, value) == value


def _is_valid_if(value: Any, condition: Any, schema: _JSON, generation: _Generation) -> bool:
    """Return True if a value is valid for `then` or `else`, whichever the condition selects."""
    keyword = "then" if _is_valid(value, condition, generation) else "else"
    return _is_valid(value, schema.get(keyword, True), generation)


def _contains(value: Any, item_schema: Any, schema: _JSON, generation: _Generation) -> bool:
    """Return True if a list has as many valid items as `minContains` and `maxContains` demand, or is not a list."""
    if not isinstance(value, list):
        return True
    count = sum(_is_valid(item, item_schema, generation) for item in value)
    return schema.get("minContains", 1) <= count <= schema.get("maxContains", math.inf)


def _has_dependent_keys(value: Any, dependent_keys: Any) -> bool:
    """Return True if an object that has one of the keys also has all keys that this key demands."""
    return all(value.keys() >= set(dependent_keys[key]) for key in dependent_keys.keys() & value.keys())


def _equal_json(value: Any, other: Any) -> bool:
    """Return True if two values are the same JSON. To Python, True equals 1."""
    return _sorted_json(value) == _sorted_json(other)


_sorted_json = functools.partial(json.dumps, sort_keys=True)


_number_rule = functools.partial(_rule_for, (int, float))
_list_rule = functools.partial(_rule_for, (list,))
_object_rule = functools.partial(_rule_for, (dict,))
_text_rule = functools.partial(_rule_for, (str,))


_TYPE_NAMES = {
    bool: ["boolean"],
    dict: ["object"],
    float: ["number"],
    int: ["integer", "number"],
    list: ["array"],
    str: ["string"],
    type(None): ["null"],
}


# For each keyword, a predicate: is the value valid for the keyword's argument? It also gets the schema and the generation.
# The keywords for single properties and items are in `_nested_values`.
_KEYWORD_RULES: Mapping[str, Callable[[Any, Any, Any, _Generation], Any]] = {
    "$ref": lambda value, ref, _, generation: _is_valid(value, _resolve_ref(ref, generation.root), generation),
    "allOf": lambda value, parts, _, generation: all(_is_valid(value, part, generation) for part in parts),
    "anyOf": lambda value, options, _, generation: any(_is_valid(value, option, generation) for option in options),
    "const": lambda value, const, *_: _equal_json(value, const),
    "contains": _contains,
    "dependentRequired": _object_rule(_has_dependent_keys),
    "enum": lambda value, options, *_: any(_equal_json(value, option) for option in options),
    "exclusiveMaximum": _number_rule(operator.lt),
    "exclusiveMinimum": _number_rule(operator.gt),
    "format": _has_format,
    "if": _is_valid_if,
    "maximum": _number_rule(operator.le),
    "maxItems": _list_rule(lambda value, most: len(value) <= most),
    "maxLength": _text_rule(lambda value, most: len(value) <= most),
    "maxProperties": _object_rule(lambda value, most: len(value) <= most),
    "minimum": _number_rule(operator.ge),
    "minItems": _list_rule(lambda value, least: len(value) >= least),
    "minLength": _text_rule(lambda value, least: len(value) >= least),
    "minProperties": _object_rule(lambda value, least: len(value) >= least),
    "multipleOf": _number_rule(lambda value, step: _to_fraction(value) % _to_fraction(step) == 0),
    "not": lambda value, unwanted, _, generation: not _is_valid(value, unwanted, generation),
    "oneOf": lambda value, options, _, generation: sum(_is_valid(value, option, generation) for option in options) == 1,
    "pattern": lambda value, pattern, _, generation: (
        not isinstance(value, str) or _matches_pattern(pattern, value, generation)
    ),
    "required": _object_rule(lambda value, names: all(name in value for name in names)),
    "type": _has_type,
    "uniqueItems": _list_rule(lambda value, unique: not unique or len({*map(_sorted_json, value)}) == len(value)),
}


# ---- patterns --------------------------------------------------------------------------------------------------------


class _UndecidedError(_GenerationError):
    """A text that takes too long to match against a pattern."""


def _matches_pattern(pattern: str, text: str, generation: _Generation) -> bool:
    """Return True if a text matches a pattern.

    Raise `_UndecidedError` if the text is long and the pattern could backtrack forever.
    """
    if (pattern, text) not in generation.matches:
        if len(text) > _MAX_BACKTRACKING_LENGTH and _may_backtrack(pattern):
            raise _UndecidedError(
                f"a schema with the pattern {_short_repr(pattern)}, which takes too long to match with {_short_repr(text)}"
            )
        _cache_match(pattern, text, generation)
    return generation.matches[pattern, text]


def _may_backtrack(pattern: str) -> bool:
    """Return False if a pattern surely takes little time, because it has at most one repetition or alternative."""
    parsed = _parse_pattern(pattern)
    choices = re.findall("_REPEAT, |BRANCH, ", repr(parsed))
    return len(choices) > 1 or _looks_around(parsed)


_MAX_BACKTRACKING_LENGTH = 20  # characters; a text up to this length can be matched with any pattern


def _cache_match(pattern: str, text: str, generation: _Generation) -> None:
    """Store whether a text matches a pattern, however long it takes to find out."""
    generation.matches[pattern, text] = re.search(_to_python_pattern(pattern), text) is not None


def _parse_pattern(pattern: str) -> Any:
    """Return a regular expression as Python's own parser represents it."""
    name = "re._parser" if sys.version_info >= (3, 11) else "sre_parse"
    return importlib.import_module(name).parse(_to_python_pattern(pattern))


@functools.lru_cache
def _to_python_pattern(pattern: str) -> str:
    """Return a regular expression of JavaScript as Python writes it: only JavaScript has `[^]` for any character.

    `[^]` begins a longer class in Python, so the pattern is changed only if Python does not compile it.
    """
    try:
        re.compile(pattern)
    except re.error:
        return re.sub(r"(\\.)|\[\^\]", lambda match: match[1] or r"[\s\S]", pattern, flags=re.DOTALL)
    return pattern


def _looks_around(parsed: Any) -> bool:
    """Return True if a pattern has look-arounds, back references, or anchors anywhere but at its start and its end."""
    return bool(re.search(_LOOK_AROUND, re.sub(_OUTER_ANCHORS, "", repr(parsed))))


# Regular expressions for the repr of a parsed pattern: the anchors at its start and its end, and the operations whose
# result depends on other parts of the text.
_OUTER_ANCHORS = r"^\[\(AT, AT_BEGINNING\w*\)|\(AT, AT_END\w*\)\]$"
_LOOK_AROUND = r"\b(AT|ASSERT|ASSERT_NOT|GROUPREF\w*)\b"


def _pattern_texts(pattern: str, min_length: int, generation: _Generation) -> Iterator[str]:
    """Yield texts that may match a regular expression, from short to long. Store whether they match."""
    parsed = _parse_pattern(pattern)
    looks_around = _looks_around(parsed)
    can_be_padded = not looks_around and "AT_END" not in repr(parsed)
    generation.spend(min_length)
    repeat_counts = [(1, 0), (0, 0)]  # of each optional piece, and of all pieces together
    repeat_counts += [(1, number) for number in range(1, _MAX_TRIES)]
    repeat_counts.append((1, min_length))
    for optional_repeats, extra_repeats in repeat_counts:
        try:
            text = _sample(parsed, _Repeats(optional_repeats, extra_repeats, generation))
        except LookupError:
            raise _GenerationError(f"a schema with the pattern {_short_repr(pattern)}") from None
        if looks_around and len(text) > _MAX_BACKTRACKING_LENGTH:
            return
        candidates = [text]
        if can_be_padded:
            candidates.append(text.ljust(min_length, "x"))
        for candidate in candidates:
            _cache_match(pattern, candidate, generation)
            yield candidate


@dataclasses.dataclass(eq=False, repr=False)
class _Repeats:
    """The numbers of times that the repeated pieces of a pattern occur in a text."""

    optional_repeats: int  # of each optional piece
    extra_repeats: int  # of all pieces together
    generation: _Generation

    def times(self, least: int, most: int) -> int:
        """Return how often the next piece occurs."""
        times = max(least, min(self.optional_repeats, most))
        extra = min(self.extra_repeats, most - times)
        self.extra_repeats -= extra
        return times + extra


def _sample(parsed: Iterable[Any], repeats: _Repeats) -> str:
    """Return a text that fits a regular expression, apart from its look-arounds, anchors and back references.

    parsed: the pairs of operation and argument that `_parse_pattern` returned.
    repeats: how often the repeated pieces occur. It counts down, so each text needs a new one.
    Raises `LookupError` for an operation without a sampler, or for a class without a known character.
    """
    return "".join(_REGEX_SAMPLERS[str(operation)](argument, repeats) for operation, argument in parsed)


def _sample_class(members: list[Any], repeats: _Repeats) -> str:
    """Return a character of a class like `[a-z]`. Raise `LookupError` if no character is known for a negated class."""
    operation, argument = members[0]
    if str(operation) == "NEGATE":
        for character in "a0 -_A.é":
            if not any(_is_member(character, *member) for member in members[1:]):
                return character
        raise LookupError(members)
    if str(operation) == "CATEGORY":
        return _CATEGORY_EXAMPLES.get(str(argument), "a")
    if str(operation) == "RANGE":
        return chr(argument[0])
    return chr(argument)


# A character of each category that does not include "a".
_CATEGORY_EXAMPLES = {
    "CATEGORY_DIGIT": "0",
    "CATEGORY_NOT_WORD": "-",
    "CATEGORY_SPACE": " ",
}


def _is_member(character: str, operation: Any, argument: Any) -> bool:
    """Return True if a member of a class includes a character."""
    if str(operation) == "CATEGORY":
        negated, category = re.fullmatch(r"CATEGORY_(?:UNI_)?(NOT_)?(\w+)", str(argument)).groups()
        category_pattern = {"DIGIT": r"\d", "SPACE": r"\s"}.get(category, r"\w")
        return bool(negated) != bool(re.match(category_pattern, character))
    if str(operation) == "RANGE":
        low, high = argument
        return low <= ord(character) <= high
    return ord(character) == argument


def _sample_repeat(argument: Any, repeats: _Repeats) -> str:
    """Return a text for a repeated piece."""
    least, most, parsed = argument
    text = _sample(parsed, repeats)
    times = repeats.times(least, int(most))
    repeats.generation.spend(len(text) * times)
    return text * times


# For each operation of a regular expression, a function that returns a text for it.
_REGEX_SAMPLERS: Mapping[str, Callable[[Any, _Repeats], str]] = {
    **dict.fromkeys(("AT", "ASSERT", "ASSERT_NOT", "GROUPREF"), lambda argument, repeats: ""),
    "ANY": lambda argument, repeats: "a",
    "BRANCH": lambda argument, repeats: _sample(argument[1][0], repeats),
    "IN": _sample_class,
    "LITERAL": lambda argument, repeats: chr(argument),
    "MAX_REPEAT": _sample_repeat,
    "MIN_REPEAT": _sample_repeat,
    "NOT_LITERAL": lambda argument, repeats: "b" if argument == ord("a") else "a",
    "SUBPATTERN": lambda argument, repeats: _sample(argument[-1], repeats),
}


# ======================================================================================================================
# ANSWERS: composed and stored, by the verb and the behavior of an endpoint
# ======================================================================================================================


_Event = tuple[str | None, Any]  # the `event:` line, and the data


_Wait = Callable[[Any], Any]  # a coroutine function that waits for an awaitable, in the client's event loop or a thread


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class _Behavior:
    """An endpoint's behavior beyond what its shape implies.

    A row of `_BEHAVIORS` sets only the fields that differ from the defaults.
    """

    # parameters that contain ids, and the resource of these ids; each object must exist
    references: Mapping[str, str] = dataclasses.field(default_factory=dict)
    # raises the errors of this endpoint alone, with `_reject`
    check: Callable[[_Call], Any] | None = None
    # the same for errors that only strict mode raises; the types of the parameters are checked before
    strict_check: Callable[[_Call], Any] | None = None
    # returns fields that the answer takes from the request with other values than the request's parameters
    requested_fields: Callable[[_Call], _JSON] | None = None
    # returns fields that follow from the request; set fields override them
    derive: Callable[[_Call, Any], _JSON] | None = None
    # stores something other than the created object, or changes the answer in place
    store: Callable[[_Call, Any, _Script], None] | None = None
    # returns the bytes to store with the object
    content: Callable[[_Call], bytes] | None = None
    # changes of the object: the first applies at once, then one with each retrieve
    stages: tuple[Any, ...] = ()
    # returns the answer where nothing is set, instead of the handler of the verb
    handler: Callable[[_Call], Any] | None = None
    # continues what another call started, with that call's script
    resume: Callable[[_Call, _Script], Any] | None = None
    # returns False for a call that the model generates nothing for; called before a response is selected. None: always True
    needs_output: Callable[[_Call], bool] | None = None
    # a coroutine function that runs before the answer is built, without the lock of the state
    before_answer: Callable[[_Call, _Wait], Any] | None = None
    # returns the events of the answer, for a stream
    events: Callable[[_Call, Any, int | None], Iterable[_Event]] | None = None
    # whether the answer is a stream without `stream=True`
    always_streams: bool = False
    # whether requests that come while the stream is read change its later events, so that each event is sent alone
    is_interactive: bool = False
    # the endpoint whose responses and rules apply where this one has none: the same call over another connection
    fallback_to: str = ""
    # returns everything that the model sees; see `_conversation_of`
    get_messages: Callable[[_Call], list[_JSON]] | None = None
    # converts other values that `.response` accepts to a partial, or to a function of the call
    coerce: Callable[[Any], Any] | None = None
    # the parameter that contains items
    input_param: str = "input"
    # the answer where nothing is set, or a function of the call that returns it; instead of the default of its type
    default: Any = None
    # the format of a binary answer if the request's `response_format` names none
    default_audio_format: str = ""
    # the type of the answer by the request's `response_format`
    type_paths_by_format: Mapping[str, str] = dataclasses.field(default_factory=dict)
    # the HTTP status of the answer
    status: int = 200
    # returns headers of the answer in addition to those of every answer
    extra_headers: Callable[[_Call], list[tuple[bytes, bytes]]] | None = None
    # whether the stored object is the answer
    stores_answer: bool = True
    # whether a request with the `Idempotency-Key` of an earlier one gets the same answer and changes nothing
    is_idempotent: bool = False
    # whether a model generates the answer; `only_scripted` rejects the call where nothing is set
    is_generated: bool = False


# The behavior of endpoints beyond what their shapes imply, by name. The rows of each API are at the end of its section.
# A row of `responses` also applies to `beta.responses`.
_BEHAVIORS: dict[str, _Behavior] = {}


@functools.cache
def _behavior_of(name: str) -> _Behavior:
    """Return the behavior of an endpoint. An endpoint of `beta` without a row has that of the name without `beta.`."""
    return _BEHAVIORS.get(name) or _BEHAVIORS.get(name.removeprefix("beta.")) or _Behavior()


def _build_answer(call: _Call, script: _Script) -> Any:
    """Build the answer to a call, and store what the call changes in the state.

    call: a call that passed the checks, if it needs them (`_needs_check`).
    script: the resolved response that the test set, or `_NOT_SET`.
    A response of the test goes through `_compose` and `_store_answer`. Without one, the `handler` of the behavior or else
    that of the verb does everything. A call that continues an object goes to the `resume` of its behavior.
    Returns JSON, text, bytes or None. It may be an object of the state, so copy it before you change it. The caller holds
    the lock of the state.
    Raises `_ServiceError` if the service rejects the call, for example because its object does not exist, and
    `ValueError` if the response of the test does not fit the call.
    """
    behavior = call.behavior
    if behavior.resume:
        has_turn_for_object = script.turn and call.key in call.objects
        if script is _NOT_SET or has_turn_for_object:
            return behavior.resume(call, script)
    if script is _NOT_SET:
        verb = "create" if behavior.store else call.shape.verb
        handler = behavior.handler or _HANDLERS_BY_VERB[verb]
        return handler(call)
    obj = _compose(call, script)
    if call.mock._strict and (script.set_fields or script.turn):
        _check_set_output(call, obj, script.turn)
    return _store_answer(call, obj, script)


def _check_set_output(call: _Call, obj: Mapping[str, Any], turn: Turn | None) -> None:
    """Check the output that a test set against the tools and schemas of the request.

    obj: the composed answer.
    turn: the output as the test set it, or None if the test set fields of the answer. Text that is truncated on purpose
        and tool calls with invalid arguments on purpose are not checked.
    Raises `ValueError` for output that the request does not allow.
    """
    # a run inherits the tools and the format that its request leaves out
    answer = obj if isinstance(obj, dict) else {}
    request_fields = answer | {name: value for name, value in call.body.items() if value is not None}
    label = f"{call.row.name}.response"
    tools = dict(_offered_tools(request_fields))
    schema = _output_schema(request_fields)
    is_truncated = False
    if turn is None:
        texts, tool_calls = _output_texts_and_calls(request_fields)
    else:
        texts = [turn.text]
        tool_calls = [*turn.tool_calls]
        is_truncated = bool(turn.stop)
    if schema is not None and not is_truncated:
        for text in filter(None, texts):
            _check_json_text(label, text, schema)
    for tool_call in tool_calls:
        if tools and tool_call.name not in tools:
            raise ValueError(f"{label} calls {tool_call.name!r}, but the request offers {', '.join(tools)}")
        if not tool_call.broken:
            call_label = f"{label}, the call of {tool_call.name!r}"
            _check_json_text(call_label, tool_call.arguments, tools.get(tool_call.name) or {})


def _output_texts_and_calls(obj: Mapping[str, Any]) -> tuple[list[Any], list[ToolCall]]:
    """Return the texts and the function calls in an answer of chat completions or responses."""
    texts: list[Any] = []
    functions: list[_JSON] = []
    for choice in obj.get("choices", ()):
        if "message" not in choice:
            continue
        message = choice["message"]
        texts.append(message.get("content"))
        for tool_call in message.get("tool_calls") or ():
            if tool_call["type"] == "function":
                functions.append(tool_call["function"])
    for item in _only_dicts(obj.get("output")):
        if item.get("type") == "message":
            texts.append(_extract_text(item))
        elif item.get("type") == "function_call":
            functions.append(item)
    return texts, [ToolCall(function["name"], function["arguments"]) for function in functions]


def _check_json_text(label: str, text: str, schema: Any) -> None:
    """Raise `ValueError` if a text is not JSON, or does not follow the schema.

    label: the name of the text in errors.
    Raises the service's 400 if the schema itself is invalid, and `ImportError` without jsonschema.
    """
    try:
        import jsonschema
        import referencing
    except ImportError:
        advice = "strict=True needs jsonschema to check answers against schemas: pip install jsonschema"
        raise ImportError(advice) from None
    try:
        # an empty registry, so that no schema is fetched over the network
        jsonschema.validate(json.loads(text), schema, registry=referencing.Registry())
    except ValueError:
        raise ValueError(f"{label} is {text!r}, but the request requires JSON") from None
    except referencing.exceptions.Unresolvable as error:
        raise ValueError(f"{label} cannot be checked against the request's schema: {error}") from None
    except jsonschema.SchemaError as error:
        _reject(f"Invalid schema for {label}: {error.message}", code="invalid_json_schema")
    except jsonschema.ValidationError as error:
        message = f"{label} does not follow the request's schema at {error.json_path}: {error.message}"
        raise ValueError(message) from None


# ---- compose: default, then request, then derived, then set fields ---------------------------------------------------


def _compose(call: _Call, script: _Script = _NOT_SET) -> Any:
    """Compose the answer to a call, without storing it.

    script: the resolved response that the test set; without one, the default answer is composed.
    Returns new JSON, text or bytes, with IDs and times. A field has the value that the test set, else the derived one,
    else that of the request, else the default.
    Raises `ValueError` if the response of the test does not fit the model of this call, and what the `derive` of the
    behavior raises.
    """
    template = _answer_template(call, script)
    if isinstance(template, dict):
        model = _select_model(call.response_type, template)
        requested = _set_by_request(call, script)
        model_fields = _fields_of(model).keys() if _is_pydantic_model(model) else template.keys()
        extra_names = template.keys() & (requested.keys() - model_fields)  # fields that the SDK's type lacks
        extra_fields = {name: requested[name] for name in extra_names}
        template = template | _accepted_fields(model, requested) | extra_fields
    obj = _fill_placeholders(template, call.store)
    derive = call.behavior.derive
    if derive is None:
        return obj
    return _overlay(call.response_type, obj, derive(call, obj), script.set_fields)


def _answer_template(call: _Call, script: _Script) -> Any:
    """Return the response of the test as merged into the model of this call, or the default answer if nothing is set.

    Raises `ValueError` if the test's response does not fit the model.
    """
    if not script.templates:
        return _default_answer(call)
    if call.response_type not in script.templates:
        expected = _describe_type(call.response_type)
        raise ValueError(f"{call.row.name}.response is {script.set_fields!r}, but this call takes {expected}")
    return script.templates[call.response_type]


def _default_answer(call: _Call) -> Any:
    """Return the answer to a call for which nothing is set.

    It is the model output that the request requires, such as a tool call, or else the `default` of the behavior, or
    else the default of the answer's type. In a union, the first member that accepts the request is that type.
    """
    to_partial = _turn_converter(call.row)
    if to_partial:
        turn = _default_turn(call.body, functools.partial(_conversation_of, call))
        if turn:
            return _merge(call.response_type, to_partial(turn), call.row.name)
    answer = call.behavior.default
    if callable(answer):
        answer = answer(call)
    if answer is not None:
        return answer
    tp = call.response_type
    origin, args = _unwrap_type(tp)
    if origin is typing.Union:
        members = _select_members(args, call.body)
        if members:
            tp = members[0]
    return _default_value(tp)


_VALUES_MEANING_DEFAULT = {"service_tier": "auto"}  # values of a request that stand for the default


def _set_by_request(call: _Call, script: _Script) -> _JSON:
    """Return the fields that the request sets and the test does not, without nulls and values that mean the default."""
    fields = {}
    for name, value in _requested_fields(call).items():
        means_default = value in (None, _VALUES_MEANING_DEFAULT.get(name))
        if name not in script.set_fields and not means_default:
            fields[name] = value
    return fields


def _requested_fields(call: _Call) -> _JSON:
    """Return the fields that a request sets for its object: those of its body, and the IDs in its path."""
    verb = call.shape.verb
    requested = {**call.body, **call.params}
    if verb in ("create", "update"):
        for param, field in call.resource.param_aliases.items():
            if param in call.body:
                requested[field] = call.body[param]
    if verb in ("retrieve", "update", "delete") or (_returns_own_object(call.row) and not call.behavior.store):
        requested["id"] = call.item_id
    if call.behavior.requested_fields:
        requested |= call.behavior.requested_fields(call)
    return requested


@functools.cache
def _returns_own_object(row: _Row) -> bool:
    """Return True if an action answers with the object that it changes."""
    shape = _shape_of(row)
    if shape.verb != "action" or row.model == "None":
        return False
    return _sdk_type(row.model) is _get_resource(shape.resource).response_type


# ---- store -----------------------------------------------------------------------------------------------------------


def _store_answer(call: _Call, obj: Any, script: _Script = _NOT_SET) -> Any:
    """Store what a call changes in the state, and return its answer.

    obj: the composed answer. It is stored itself, not a copy of it, and may get a new ID if its own one is taken.
    script: the response that the test set. Later changes of the object keep the fields set there.
    The `store` of the behavior, or else the verb, stores or deletes the object. Its content follows, and then its
    stages, unless the test set the state that the object is in.
    Returns `obj`. The caller holds the lock of the state.
    """
    behavior = call.behavior
    store_function = behavior.store or _STORE_BY_VERB.get(call.shape.verb)
    if store_function:
        store_function(call, obj, script)
    if behavior.content:
        key = _to_key((*call.parent_ids, obj[call.resource.key_field]))
        call.store[f"{call.resource.name}.content"][key] = behavior.content(call)
    creates_object = behavior.store or call.shape.verb == "create"
    if behavior.stages and creates_object and not script.sets_state:
        key = _to_key((*call.parent_ids, obj["id"]))
        _apply_stages(call.store, call.resource, key, behavior.stages)
    return obj


def _force_stages(call: _Call, stages: tuple[Any, ...]) -> None:
    """Change the object of a call by stages, whatever state the test set."""
    _discard_set_state(call.store, call.resource.name, call.key)
    _apply_stages(call.store, call.resource, call.key, stages)


def _apply_stages(store: StateStore, resource: _Resource, key: Any, stages: tuple[Any, ...]) -> None:
    """Change a stored object by the first stage now, and by one more stage with each retrieve."""
    first_stage, *later_stages = stages
    store[resource.name][key].update(_with_set_fields(store, resource.name, key, first_stage))
    _schedule(store, resource.name, key, *later_stages)


def _store_created(call: _Call, obj: Any, script: _Script) -> None:
    """Store the object that a call created, if its answer is an object with a key."""
    if not isinstance(obj, dict) or call.resource.key_field not in obj:
        return
    set_fields = dict(script.set_fields)
    if "id" in _requested_fields(call) and "id" in obj:
        set_fields.setdefault("id", obj["id"])
    _insert_object(call.store, call.resource, call.parent_ids, obj, set_fields)


def _store_updated(call: _Call, obj: Any, script: _Script) -> None:
    """Store the answer to an update instead of the old object, if it is an object."""
    if isinstance(obj, dict):
        call.objects[call.key] = obj


# The function that stores the answer of a call, by its verb. Calls of other verbs store nothing.
_STORE_BY_VERB: Mapping[str, Callable[[_Call, Any, _Script], None]] = {
    "create": _store_created,
    "update": _store_updated,
    "delete": lambda call, obj, script: _delete_object(call.store, call.resource, call.id_path),
}


def _add_related_object(store: StateStore, resource: str, parents: tuple[str, ...], fields: Mapping[str, Any]) -> _JSON:
    """Store a new object that comes with another one, with defaults for the other fields, and return it."""
    obj = _fill_placeholders({**_default_value(_get_resource(resource).response_type), **fields}, store)
    _insert_object(store, _get_resource(resource), parents, obj)
    return obj


def _insert_object(
    store: StateStore,
    resource: _Resource,
    parents: tuple[str, ...],
    obj: _JSON,
    set_fields: Mapping[str, Any] = {},
) -> None:
    """Store a new object.

    parents: the IDs of the objects that own it, outermost first.
    obj: the object. It gets a new ID if another object has its ID, unless `set_fields` has the ID.
    set_fields: the fields that the test or the request set. Later changes of the object keep them.
    Raises the service's 400 if the key of the object is not a string.
    """
    _check_type(resource.key_field, obj[resource.key_field], str)
    if resource.key_field == "id" and "id" not in set_fields:
        prefix = re.split(r"\d", obj["id"], maxsplit=1)[0]
        while _to_key((*parents, obj["id"])) in store[resource.name]:
            obj["id"] = store._new_id(prefix)
    key = _to_key((*parents, obj[resource.key_field]))
    store[resource.name][key] = obj
    _save_set_fields(store, resource.name, key, set_fields)


def _store_page_items(call: _Call, page: _JSON, script: _Script) -> None:
    """Store each object of a page, for a call that creates several objects."""
    for obj in page["data"]:
        call.objects[_to_key((*call.parent_ids, obj["id"]))] = obj


# ---- what each verb does where nothing is set ------------------------------------------------------------------------


def _handle_create(call: _Call) -> Any:
    _require_parents(call)
    return _store_answer(call, _compose(call))


def _handle_retrieve(call: _Call) -> Any:
    _seed_objects(call.store, call.resource)  # `_advance` finds only objects that are in the state
    _advance(call.store, call.resource.name, call.key)
    return _as_response(call, _require_target(call))


def _handle_update(call: _Call) -> Any:
    """Change the stored object as the request says, and return it."""
    stored = _require_target(call)
    model = _select_model(call.response_type, stored)
    requested = _requested_fields(call)
    for name in (*call.params, "id"):
        requested.pop(name, None)
    extra_fields = {}  # fields that the SDK's type lacks
    for name, value in requested.items():
        if name in stored and name not in _fields_of(model):
            extra_fields[name] = value
    if "expires_after" in requested and "expires_at" in stored:
        extra_fields["expires_at"] = None
        extra_fields.update(_requested_expiry(call, stored))
    changes = _fill_placeholders(_accepted_fields(model, requested), call.store) | extra_fields
    _discard_set_fields(call.store, call.resource.name, call.key, changes)
    stored.update(changes)
    if call.behavior.stages:
        _force_stages(call, call.behavior.stages)
    return _as_response(call, stored)


def _requested_expiry(call: _Call, obj: Mapping[str, Any]) -> _JSON:
    """Return the `expires_at` of an object as the request's `expires_after` sets it, or {} if the request has none."""
    return _expiry_from(obj, call.body.get("expires_after") or {})


def _expiry_from(obj: Mapping[str, Any], expires_after: Mapping[str, Any]) -> _JSON:
    """Return the `expires_at` of an object: some seconds, minutes or days after the time that the anchor names."""
    anchor_time = obj.get(str(expires_after.get("anchor"))) or obj["created_at"]
    for unit, seconds in (("seconds", 1), ("minutes", 60), ("days", 86400)):
        if unit in expires_after:
            return {"expires_at": anchor_time + _to_int(f"expires_after.{unit}", expires_after[unit]) * seconds}
    return {}


def _handle_delete(call: _Call) -> Any:
    _require_target(call)
    return _store_answer(call, _compose(call))


def _handle_content(call: _Call) -> bytes:
    """Return the stored bytes of an object, or the default ones."""
    _require_target(call)
    content_resource = f"{call.resource.name}.content"
    data = None
    if content_resource in _CONTENT_RESOURCES:
        data = call.store[content_resource].get(call.key)
    if data is None:
        return _compose(call)
    return data


def _handle_action(call: _Call) -> Any:
    """Change the stored object by the stages of the behavior.

    Returns the object, or the composed answer if the action has no stages and its answer is of another type.
    """
    stored = _require_target(call)
    stages = call.behavior.stages
    if stages:
        _force_stages(call, stages)
    if stages or _returns_own_object(call.row):
        return _as_response(call, stored)
    return _compose(call)


def _as_response(call: _Call, stored: _JSON) -> Any:
    """Return a stored object as this call shows it."""
    return _project(call.response_type, call.resource, stored, call.store)


def _project(tp: Any, resource: _Resource, stored: _JSON, store: StateStore) -> _JSON:
    """Return a stored object as another model shows it: without fields of its own model that the other one lacks.

    tp: the model to show. If it is the model of the resource or not a model, the stored object itself is returned.
    """
    if tp is resource.stored_type or not _is_pydantic_model(tp):
        return stored
    defaults = _default_value(tp)
    if not _is_pydantic_model(resource.stored_type):  # no call creates the objects, so any field may be theirs
        missing = {name: value for name, value in defaults.items() if name not in stored}
        return _fill_placeholders(missing, store) | stored
    model_fields = _fields_of(tp).keys() | _fields_of(resource.stored_type).keys()
    extra = {name: value for name, value in stored.items() if name not in model_fields}
    shared = _accepted_fields(tp, stored)
    missing = {name: value for name, value in defaults.items() if name not in shared}
    return {**extra, **shared, **_fill_placeholders(missing, store)}


def _handle_singleton(call: _Call) -> Any:
    """Set, read or reset a resource that has a single object below its parents."""
    _require_parents(call)
    objects = call.objects
    key: Any = call.parent_ids
    if len(key) == 1:
        key = key[0]
    method = call.row.method
    if key not in objects and method != "POST" and f"{call.resource.name}.delete" in _rows():
        raise call.resource.not_found_error("".join(call.parent_ids), "id")
    if method == "DELETE":
        objects.pop(key, None)
        return _compose(call)
    if key not in objects or method == "POST":
        obj = _compose(call)
        changes = _fill_placeholders(_accepted_fields(call.response_type, call.body), call.store)
        objects[key] = objects.get(key, obj) | changes
    return objects[key]


def _handle_list(call: _Call, query: Mapping[str, str] | None = None) -> Any:
    """Return the page of objects that a query selects, which is that of the request if none is given."""
    if query is None:
        query = call.query
    page = _list_page(call.row, call.store, call.parent_ids, query)
    if not page["data"]:
        _check_objects(call.resource.name, call.objects)
        _require_parents(call)
    item_type = _page_item_type(call.response_type)
    page["data"] = [_project(item_type, call.resource, item, call.store) for item in page["data"]]
    return page


_HANDLERS_BY_VERB: Mapping[str, Callable[[_Call], Any]] = {
    "action": _handle_action,
    "compute": _compose,
    "content": _handle_content,
    "create": _handle_create,
    "delete": _handle_delete,
    "list": _handle_list,
    "retrieve": _handle_retrieve,
    "singleton": _handle_singleton,
    "update": _handle_update,
}


# ---- lists -----------------------------------------------------------------------------------------------------------


def _list_page(row: _Row, store: StateStore, parents: Iterable[str], query: Mapping[str, str]) -> _JSON:
    """Return the page of a resource's objects that a query selects, after the expired ones among them have changed.

    parents: the IDs of the objects that own the list, outermost first.
    Raises the service's 400 for an order, a limit or a cursor that the list does not accept.
    """
    resource = _get_resource(_shape_of(row).resource)
    parents = tuple(parents)
    default_order, default_limit, max_limit = resource.paging
    order = query.get("order", default_order).removesuffix("ending")  # some lists take "ascending" and "descending"
    if order not in ("asc", "desc"):
        _reject(f"Invalid 'order': expected 'asc' or 'desc', but got '{query['order']}'.", "order")
    objects = store._children(resource.name, *parents) if parents else _seed_objects(store, resource)
    list_metadata = store._get_metadata(resource.name, parents)
    deleted = list_metadata.tombstones if list_metadata else {}
    keys = _keys_between(objects, deleted, parents, query, newest_first=order == "desc")
    limit = _page_limit(query, default_limit, max_limit)
    page_keys, has_more = _first_matching(keys, objects, query, limit)
    # expiry is rare, so the whole list is searched for expired objects only if there is one in the page
    if any(_has_expired(store, resource, key) for key in page_keys):
        expired_keys = [key for key in objects if _has_expired(store, resource, key)]
        for key in expired_keys:
            _expire_if_due(store, resource, key)
        return _list_page(row, store, parents, query)
    return _make_page(row, [_load_object(store, resource, key) for key in page_keys], has_more)


def _keys_between(
    objects: dict[Any, Any],
    deleted: Mapping[Any, Any],
    parents: tuple[str, ...],
    query: Mapping[str, str],
    newest_first: bool,
) -> Iterable[Any]:
    """Return the keys after the cursor `after` and before the cursor `before`, in the order of the list.

    objects: all objects of the list, in the order of creation.
    deleted: for each deleted key, the key before it. A deleted object can still be a cursor.
    Raises the service's 400 for a cursor that is not in the list, or a `before` that comes before `after`.
    """
    cursors = {"after": query.get("after") or query.get("page"), "before": query.get("before")}
    if not objects:
        return []
    if not any(cursors.values()):  # true of most lists, so don't copy all keys for the few on a page
        return reversed(objects) if newest_first else iter(objects)
    keys = list(objects)
    low = 0
    high = len(keys)
    for name, cursor in cursors.items():
        if not cursor:
            continue
        cursor_slice = _locate_cursor(objects, deleted, _to_key((*parents, cursor)))
        if cursor_slice is None:
            _reject_cursor(name, cursor)
        if (name == "after") == newest_first:  # the cursor bounds the list to older objects
            high = cursor_slice.start
        else:
            low = cursor_slice.stop
    if low > high:
        _reject_cursor("before", cursors["before"])
    selected = keys[low:high]
    if newest_first:
        selected.reverse()
    return selected


def _locate_cursor(objects: Mapping[Any, Any], deleted: Mapping[Any, Any], cursor: Any) -> slice | None:
    """Return the place of a cursor in the order of creation, or None if it was never in the list.

    The slice of a deleted cursor is empty, and lies between the objects before and after the deleted one.
    """
    is_deleted = cursor not in objects
    while cursor not in objects and cursor in deleted:
        cursor = deleted[cursor]  # the key before it
    if cursor is None:  # no object before it is left
        return slice(0, 0)
    if cursor not in objects:
        return None
    position = list(objects).index(cursor)
    return slice(position + is_deleted, position + 1)


def _reject_cursor(name: str, cursor: str | None) -> typing.NoReturn:
    _reject(f"Invalid '{name}': no object with id '{cursor}' in this list.", name)


# Filters that have another name than the field they filter.
_FILTER_ALIASES = {"filter": "status"}


def _first_matching(
    keys: Iterable[Any], objects: Mapping[Any, Any], query: Mapping[str, str], limit: int
) -> tuple[list[Any], bool]:
    """Return the first `limit` keys of objects that match the filters of a query, and whether there are more.

    With the cursor `before`, these are the last keys instead, which are next to the cursor.
    """
    filters = {_FILTER_ALIASES.get(name, name): value for name, value in query.items() if name not in ("id", "object")}
    backward = bool(query.get("before"))
    candidates = reversed(keys) if backward else iter(keys)
    page: list[Any] = []
    has_more = False
    for key in candidates:
        if not all(_matches_filter(objects[key], name, value) for name, value in filters.items()):
            continue
        if len(page) == limit:
            has_more = True
            break
        page.append(key)
    if backward:
        page.reverse()
    return page, has_more


_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "in": lambda value, among: value in among,
    "nin": lambda value, among: value not in among,
}


def _matches_filter(obj: Mapping[str, Any], name: str, value: str) -> bool:
    """Return True if a field has the value that a filter names, or if the object has no such field.

    name, value: a parameter of a query, such as `purpose=batch`, `metadata[a]=b` or `created_at[gte]=1`.
    """
    field, *keys = re.findall(r"[^\[\]]+", name) or [name]
    if field not in obj:
        return True
    actual = obj[field]
    for key in keys:
        if isinstance(actual, (int, float)) and key in _COMPARISONS:
            operand = _comparison_operand(key, value)
            if operand is not None:
                return _COMPARISONS[key](actual, operand)
        actual = actual.get(key) if isinstance(actual, dict) else None
    return actual == value or (actual is not None and _matches_value(value, actual))


def _comparison_operand(comparison: str, text: str) -> float | list[float] | None:
    """Return the number that a filter compares with, several separated by commas for `in` and `nin`, or None."""
    compares_with_list = comparison in ("in", "nin")
    numbers = text.split(",") if compares_with_list else [text]
    if not all(re.fullmatch(r"-?\d+(\.\d+)?", number) for number in numbers):
        return None
    operands = [float(number) for number in numbers]
    return operands if compares_with_list else operands[0]


def _page_limit(query: Mapping[str, str], default_limit: int, max_limit: int) -> int:
    """Return the number of objects on a page. Raise the 400 of a `limit` that the list does not accept."""
    text = query.get("limit", str(default_limit))
    number = 0.0
    if re.fullmatch("-?[0-9]+", text):
        number = float(text)  # `int` raises `ValueError` for thousands of digits
        code = "integer_below_min_value" if number < 1 else "invalid_value"
    else:
        code = "invalid_value"
    if not 1 <= number <= max_limit:
        message = f"Invalid 'limit': expected an integer between 1 and {max_limit}, but got '{text}' instead."
        _reject(message, "limit", code)
    return int(number)


def _make_page(row: _Row, items: list[_JSON], has_more: bool = False) -> _JSON:
    """Build a page of items, of the type that the list endpoint returns."""
    page = _copy_json(_default_value(_sdk_type(row.model))) | {"data": items}
    if "has_more" in page:
        page["has_more"] = has_more
    page |= _implied_by_page(page, {})  # `first_id` and `last_id`
    if "next" in page:
        page["next"] = items[-1].get("id", items[-1].get("path")) if has_more else None
    return page


# ======================================================================================================================
# WEBSOCKET SESSIONS: a connection as the service sees it
# ======================================================================================================================


_EXPIRED_CLOSE_CODE = 1001  # the close code after 60 minutes; an event that reports the expiry is sent before it


@dataclasses.dataclass(frozen=True)
class _Close:
    """The end of a connection: a close code and its reason."""

    code: int
    reason: str = "the mock closed the connection"


class _SocketSession:
    """The service's end of one WebSocket connection. Each subclass is one type of connection.

    A method marked with `_handles` handles the client's messages of the types named there. It is a function or a
    coroutine function, and returns the events to send. It finishes before the next message is handled, so that a later
    message is answered with the changes of an earlier one. Only the events of a response are produced while they are
    sent.

    An event is a dict, a text, a close code, a `_Close`, or None to break the connection. A tuple is the seconds to wait
    before an event, and the event.
    """

    client_events = ""  # the SDK's unions of the client's messages, separated by spaces
    handlers: ClassVar[dict[str, str]] = {}  # the name of the method by the type of message

    def __init_subclass__(cls) -> None:
        cls.handlers = dict(cls.handlers)
        for name, method in vars(cls).items():
            for message_type in getattr(method, "message_types", ()):
                cls.handlers[message_type] = name

    def __init__(self, call: _Call, router: Router) -> None:
        self.router = router
        self.call = dataclasses.replace(call, session=self)
        self.queues: dict[Any, Iterator[tuple[float, Any]]] = {}  # events to send; the next one is in the first queue
        self.received_types: list[str] = []

    def open(self, wait: _Wait, record: Record) -> None:
        """Queue the events that are sent before the client's first message."""
        self.send(self.opening_events(), _ClientMessage(self.call, wait, record))

    async def receive(self, content: str | bytes, wait: _Wait) -> None:
        """Handle a message of the client, and queue the events of its answer.

        After an error of the service, which is sent as an event, the session continues.
        """
        call = _with_content(self.call, content)
        message = _ClientMessage(call, wait, self.router._record(call.request, call))
        try:
            events = await self._handle(message)
        except _ServiceError as service_error:
            events = [self.error_event(message, service_error)]
        except _SetFault:  # a network fault breaks the connection
            events = [None]
        self.send(events, message)

    async def _handle(self, message: _ClientMessage) -> Iterable[Any]:
        """Return the events that answer a message. Raise the 400 of a type that this connection doesn't accept."""
        message_type = str(message.body.get("type"))
        self.received_types.append(message_type)
        handler = self.handlers.get(message_type)
        if handler is None or message.call.client_event is None:
            supported = ", ".join(name for name in self.handlers if _client_event_type(self.client_events, name))
            _reject(f"Invalid value: {message_type!r}. Supported values are: {supported}.", "type", "invalid_value")
        _check_body(message.call)
        _check_limits(message.call)
        with _attribute_errors(message.call):
            return await _await_if_needed(getattr(self, handler)(message))

    def send(self, events: Iterable[Any], message: _ClientMessage) -> None:
        """Add the events that answer a message to the end of its queue."""
        key = self.queue_key(message)
        message.record.events = []
        self.queues[key] = itertools.chain(self.queues.get(key, ()), self._outgoing(events, message))

    def _outgoing(self, events: Iterable[Any], message: _ClientMessage) -> Iterator[tuple[float, Any]]:
        """Yield events as the connection sends them, with the seconds to wait before each.

        An event is added to the request log when it is sent.
        """
        for item in events:
            delay, event = item if isinstance(item, tuple) else (0.0, item)
            if event == _EXPIRED_CLOSE_CODE:
                yield from self._outgoing([(delay, self.expiry_event(message))], message)
            if isinstance(event, dict):
                event = self.format_event(message, event)
                if event:
                    message.record.events.append(event)
            if event or event is None:
                yield delay, event

    def next_event(self) -> tuple[float, Any] | None:
        """Remove and return the next event with the seconds to wait before it, or None if nothing is queued.

        The queues take turns, so that two responses are sent in parallel.
        """
        while self.queues:
            key = next(iter(self.queues))
            events = self.queues.pop(key)
            try:
                for event in events:
                    self.queues[key] = events
                    return event
            except _SetFault:  # a network fault breaks the connection
                return 0.0, None
        return None

    # What a subclass defines:

    def opening_events(self) -> Iterable[Any]:
        """Return the events to send before the client's first message."""
        return ()

    def queue_key(self, message: _ClientMessage) -> Any:
        """Return the key of a queue. The events of messages with the same key are sent one after the other."""
        return None

    def format_event(self, message: _ClientMessage, event: _JSON) -> _JSON:
        """Return an event as this type of connection sends it, or {} to leave it out."""
        raise NotImplementedError

    def error_event(self, message: _ClientMessage, error: _ServiceError) -> _JSON:
        """Return the event that reports an error."""
        raise NotImplementedError

    def expiry_event(self, message: _ClientMessage) -> _JSON:
        """Return the event to send before a connection is closed after 60 minutes."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class _ClientMessage:
    """A message of the client, as a call of its own."""

    call: _Call
    wait: _Wait  # waits for an awaitable, in the client's thread or its event loop
    record: Record  # its entry in the request log

    @property
    def body(self) -> _JSON:
        return self.call.body

    def get_str(self, name: str) -> str | None:
        """Return the value of a field if it is a string, and None otherwise. A message that isn't JSON has no fields."""
        value = None
        with contextlib.suppress(_ServiceError):
            value = self.body.get(name)
        return value if isinstance(value, str) else None

    def with_body(self, body: Mapping[str, Any]) -> _ClientMessage:
        """Return the message with another body."""
        return dataclasses.replace(self, call=_with_content(self.call, json.dumps(body)))

    def for_endpoint(self, name: str, **changes: Any) -> _ClientMessage:
        """Return the message as a call of another endpoint."""
        return dataclasses.replace(self, call=dataclasses.replace(self.call, row=_rows()[name], **changes))


def _with_content(call: _Call, content: str | bytes) -> _Call:
    """Return a call over the same connection with other content."""
    request = httpx.Request("WS", call.request.url, headers=call.request.headers, content=content)
    return dataclasses.replace(call, request=request)


def _handles(*message_types: str) -> Callable[[Any], Any]:
    """Mark a method of a session as the handler of the client's messages of these types."""

    def mark(method: Any) -> Any:
        method.message_types = message_types
        return method

    return mark


async def _answer_as_events(message: _ClientMessage) -> Iterator[tuple[float, Any]]:
    """Return the events of the answer to a message, with the seconds to wait before each.

    Raises `_ServiceError` if the answer is an error, and `TypeError` if the test set a response that is not a stream.
    """
    answer = await _answer(message.call, message.wait, message.record, _lazy_event_stream)
    if isinstance(answer, _PacedStream):
        return answer.timed_messages()
    if isinstance(answer.stream, _PacedStream):
        return answer.stream.timed_messages()
    message.record.response = answer
    if not answer.is_error:
        raise TypeError(f"{message.call.row.name}.response is {answer!r}; a WebSocket sends events, not a body")
    raise _error_from_response(answer)


def _lazy_event_stream(call: _Call, obj: Any, pace: Pace) -> _PacedStream:
    """Return a stream that produces the events of an object while it is sent."""
    return _PacedStream(call.behavior.events(call, _copy_json(obj), pace.chunk), pace, call.request)


async def _answer_as_dict(message: _ClientMessage) -> _JSON:
    """Return the answer to a message as a dict. Raise `_ServiceError` if the answer is an error."""
    answer = await _answer(message.call, message.wait, reply=lambda call, obj, pace: obj)
    if not isinstance(answer, httpx.Response):
        return answer
    if answer.is_error:
        raise _error_from_response(answer)
    return json.loads(answer.read())


def _error_from_response(response: httpx.Response) -> _ServiceError:
    """Return the error that a response reports."""
    error = _ServiceError(response.status_code, "")
    error.envelope = json.loads(response.read())["error"]
    return error


def _expiry_error(code: str) -> _ServiceError:
    return _ServiceError(400, "Your session hit the maximum duration of 60 minutes.", code=code)


# The class of a connection's session, by endpoint. The rows of each API are at the end of its section.
_SOCKET_SESSIONS: dict[str, type[_SocketSession]] = {}


# ======================================================================================================================
# FILES AND UPLOADS
# ======================================================================================================================


def _derive_file(call: _Call, obj: _JSON) -> _JSON:
    """Return the name, the size, the purpose and the expiry of an uploaded file."""
    filename, data, _ = _uploaded_file(call.body.get("file"))
    fields: _JSON = {"filename": filename, "bytes": len(data)}
    purpose = call.body.get("purpose")
    if purpose == "batch":
        fields["expires_at"] = obj["created_at"] + 30 * 86400
    if purpose:
        fields["purpose"] = purpose
    fields.update(_requested_expiry(call, obj))
    return fields


def _uploaded_file(value: Any) -> tuple[str, bytes, str]:
    """Return the name, the bytes and the content type of a file in a form; those of an empty file for any other value."""
    return value if isinstance(value, tuple) else ("upload", b"", "application/octet-stream")


# The purposes that a file may have. The SDK's type of a file doesn't list all of them.
_FILE_PURPOSES = ("fine-tune", "assistants", "batch", "user_data", "vision", "evals")


# The APIs that read JSONL only, by the purpose of a file, as the service's errors name them.
_JSONL_APIS = {"batch": "Batch API", "fine-tune": "Fine-Tuning API"}


def _check_new_file(call: _Call) -> None:
    """The purpose must be one that the API knows. Files for batches and fine-tuning must be JSONL."""
    purpose = call.body["purpose"]
    if purpose not in _FILE_PURPOSES:
        _reject(f"{purpose!r} is not one of {list(_FILE_PURPOSES)} - 'purpose'", "purpose")
    filename, _, _ = _uploaded_file(call.body.get("file"))
    # the service also accepts names without an extension
    if purpose in _JSONL_APIS and _file_extension(filename) not in ("", ".jsonl"):
        _reject(f"Invalid file format for {_JSONL_APIS[purpose]}. Must be .jsonl")


def _stored_filename(store: StateStore, file_id: str) -> str:
    """Return the name of a file in the state, or the ID for any other file."""
    return store["files"].get(file_id, {}).get("filename", file_id)


def _file_extension(filename: Any) -> str:
    """Return the extension of a filename in lower case, as in `.txt`, or "" if it has none."""
    return os.path.splitext(str(filename))[1].lower()


def _file_content(call: _Call) -> bytes:
    """Return the bytes of a file. A file with a size but without bytes, put into the state by hand, has the default."""
    file = _require_target(call)
    default = call.behavior.default if file.get("bytes") else b""
    return call.store["files.content"].get(call.item_id, default)


def _file_text(store: StateStore, id: Any) -> str:
    return store["files.content"].get(id, b"").decode(errors="replace")


def _file_lines(store: StateStore, id: Any) -> dict[int, str]:
    """Return the lines of a JSONL file by their numbers, which start at 1. Blank lines are left out."""
    # `splitlines()` would also split at characters that a JSON string may contain, such as U+2028
    numbered_lines = enumerate(_file_text(store, id).split("\n"), start=1)
    return {number: line for number, line in numbered_lines if line.strip()}


def _remove_from_vector_stores(store: StateStore, id: str, file: _JSON) -> None:
    """Remove a deleted file from its vector stores."""
    keys = [key for key in store["vector_stores.files"] if key[1] == id]
    for key in keys:
        _delete_object(store, _get_resource("vector_stores.files"), key)


def _check_upload_parts(call: _Call) -> None:
    """The upload must be pending, and its parts must exist and have the announced size and checksum."""
    _check_upload_pending(call)
    upload = _require_target(call)
    parts = call.store["uploads.parts"]
    for part_id in call.body.get("part_ids") or []:
        if (upload["id"], part_id) not in parts:
            _reject(f"No such Part object: {part_id}", "part_ids")
    data = _join_parts(call)
    if len(data) != upload["bytes"]:
        _reject(f"Expected {upload['bytes']} bytes, but the parts have {len(data)}.", "bytes")
    if call.body.get("md5") not in (None, hashlib.md5(data, usedforsecurity=False).hexdigest()):
        _reject("The md5 checksum of the parts is not the one given.", "md5")


def _check_upload_pending(call: _Call) -> None:
    """The upload must be pending."""
    upload = _require_target(call)
    if upload["status"] != "pending":
        _reject(f"Upload {upload['id']} is {upload['status']} and takes no more changes.", "upload_id")


def _complete_upload(call: _Call) -> Any:
    """Complete an upload: create and store its file, and return the upload."""
    upload = _require_target(call)
    data = _join_parts(call)
    file = _new_file(call.store, upload["filename"], data, upload["purpose"])
    _force_stages(call, ({"status": "completed", "file": file},))
    _store_file(call.store, upload["file"], data)
    return upload


def _join_parts(call: _Call) -> bytes:
    return b"".join(call.store["uploads.parts"][call.item_id, id] for id in call.body.get("part_ids") or [])


def _store_upload_part(call: _Call, part: _JSON, script: _Script) -> None:
    """Store the bytes of a part. The part itself is not stored, because no call retrieves it."""
    _, data, _ = _uploaded_file(call.body.get("data"))
    call.store["uploads.parts"][call.item_id, part["id"]] = data


def _new_file(store: StateStore, filename: str, data: bytes, purpose: str) -> _JSON:
    """Build a file that the service itself creates: the output of a batch, or that of a completed upload."""
    return _new_object("FileObject", store, {"filename": filename, "bytes": len(data), "purpose": purpose})


def _store_file(store: StateStore, file: _JSON, data: bytes) -> None:
    """Store a file with its content."""
    _insert_object(store, _get_resource("files"), (), file)
    store["files.content"][file["id"]] = data


_extend_table(
    _RESOURCES,
    {
        "files": {
            "paging": ("desc", 10_000, 10_000),
            "not_found_param": "id",
            "on_delete": _remove_from_vector_stores,
            "on_expire": lambda store, id, file: _delete_object(store, _get_resource("files"), (id,)),
        },
        "files.content": {
            "parent_params": (),
        },
        "uploads.parts": {
            "parent_params": ("upload_id",),
        },
    },
)


_extend_table(
    _ID_PREFIXES,
    {
        "FileObject": "file-",
        "UploadPart": "part_",
    },
)


_extend_table(
    _DEFAULTS_BY_SDK_MODEL,
    {
        "FileObject": {
            "status": "processed",
            "purpose": "assistants",
        },
        "Upload": {
            "status": "pending",
        },
    },
)


_extend_table(
    _BEHAVIORS,
    {
        "files.content": _Behavior(
            default=b"mock file content",
            handler=_file_content,
        ),
        "files.create": _Behavior(
            check=_check_new_file,
            derive=_derive_file,
            content=lambda call: _uploaded_file(call.body.get("file"))[1],
        ),
        "uploads.cancel": _Behavior(
            check=_check_upload_pending,
            stages=({"status": "cancelled"},),
        ),
        "uploads.complete": _Behavior(
            check=_check_upload_parts,
            handler=_complete_upload,
        ),
        "uploads.create": _Behavior(
            derive=_requested_expiry,
        ),
        "uploads.parts.create": _Behavior(
            check=_check_upload_pending,
            store=_store_upload_part,
        ),
    },
)


# ======================================================================================================================
# RESPONSES AND CONVERSATIONS
# ======================================================================================================================


def _check_response(call: _Call) -> None:
    """The previous response must exist. A conversation can't be named with it. Items must come with those they need."""
    previous = call.body.get("previous_response_id")
    if previous and _conversation_id(call):
        _reject("Only one of 'previous_response_id' and 'conversation' can be given.", "previous_response_id")
    if previous and previous not in call.store["responses"]:
        message = f"Previous response with id '{previous}' not found."
        _reject(message, "previous_response_id", "previous_response_not_found")

    for tool in _only_dicts(call.body.get("tools")):
        container = tool.get("container")
        if isinstance(container, str) and container in call.store["containers"]:
            _require_active_container(call, container)

    _check_history(call)


def _check_response_strictly(call: _Call) -> None:
    """A model must be named, except by a prompt. Tool choice, items and JSON mode must fit the rest of the request."""
    if call.session and call.body.get("type") != "response.create":
        return
    has_prompt = bool(call.body.get("prompt"))  # it may have a model, tools and messages of its own
    if call.body.get("model") is None and not has_prompt:
        _Flaw(("model",), "missing_required_parameter").reject()
    if not has_prompt:
        _check_tool_choice(call)
        _check_json_mode(call)
    _check_items(call)


def _check_tool_choice(call: _Call) -> None:
    """A tool that must be called must be one of the tools."""
    choice = call.body.get("tool_choice")
    tools = _with_nested_tools(call.body.get("tools"))
    if choice == "required" and not tools:
        _reject("Tool choice 'required' must be specified with 'tools' parameter.", "tool_choice")
    if not isinstance(choice, dict):
        return
    choices = [choice]
    if choice.get("type") == "allowed_tools":
        choices = _only_dicts(choice.get("tools"))
    for choice in choices:
        if not any(_is_chosen(choice, tool) for tool in tools):
            _reject(f"Tool choice '{choice.get('type')}' not found in 'tools' parameter.", "tool_choice")


def _with_nested_tools(tools: Any) -> list[_JSON]:
    """Return the tools of a request, and those within namespaces."""
    found = []
    for tool in _only_dicts(tools):
        found += [tool, *_only_dicts(tool.get("tools"))]
    return found


# The key that identifies a tool among those of its type. Hosted tools of other types have none.
_TOOL_KEYS = {
    "custom": "name",
    "function": "name",
    "mcp": "server_label",
    "namespace": "name",
}


# Tools whose type has several spellings, by what these begin with. A choice may have another spelling than its tool.
_TOOL_TYPE_PREFIXES = ("computer", "web_search")


def _is_chosen(choice: Mapping[str, Any], tool: Mapping[str, Any]) -> bool:
    """Return True if a tool choice names a tool."""
    choice_type = str(choice.get("type"))
    tool_type = str(tool.get("type"))
    for prefix in _TOOL_TYPE_PREFIXES:
        if choice_type.startswith(prefix) and tool_type.startswith(prefix):
            return True
    key = _TOOL_KEYS.get(choice_type, "type")
    return choice_type == tool_type and choice.get(key) == tool.get(key)


def _check_json_mode(call: _Call) -> None:
    """In JSON mode, the word must be in the conversation. Instructions don't count."""
    output_format = _get_dict(_get_dict(call.body, "text"), "format")
    if output_format.get("type") == "json_object" and "json" not in _extract_text(_conversation_items(call)).lower():
        _reject(
            "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'.",
            "input",
        )


# The types of content in messages by role. The SDK's type of an assistant's message has the input types, too.
_OUTPUT_CONTENT_TYPES = ("output_text", "refusal")
_INPUT_CONTENT_TYPES = ("input_text", "input_image", "input_file")
_CONTENT_TYPES_BY_ROLE = {
    "assistant": _OUTPUT_CONTENT_TYPES,
    "developer": _INPUT_CONTENT_TYPES,
    "system": _INPUT_CONTENT_TYPES,
    "user": _INPUT_CONTENT_TYPES,
}


# The keys of which content must have exactly one, by the type of the content.
_CONTENT_SOURCES = {
    "computer_screenshot": ("file_id", "image_url"),
    "input_file": ("file_id", "file_data", "file_url"),
    "input_image": ("file_id", "image_url"),
}


def _check_items(call: _Call) -> None:
    """Items must have ids of their type, and content of a type that their role has, with one source.

    Files must be of a supported type.
    """
    input_param = call.behavior.input_param
    for path, item in _values_at(call.body, f"{input_param}[]"):
        _check_item_id(path, item)
    for path, role in _values_at(call.body, f"{input_param}[].role"):
        _check_content_types(call, path[:-1], _CONTENT_TYPES_BY_ROLE.get(str(role)))
    for param in (input_param, "prompt"):
        for path, content in _objects_within(call.body.get(param), (param,)):
            content_type = str(content.get("type"))
            if content_type in _CONTENT_SOURCES:
                _check_content_source(path, content, _CONTENT_SOURCES[content_type])
            if content_type == "input_file":
                suffix = _file_suffix(call, content)
                if suffix in _UNSUPPORTED_FILE_TYPES:
                    _reject_file_type(suffix, _CONTEXT_FILE_TYPES, param)


@functools.cache
def _item_id_prefixes() -> tuple[str, ...]:
    """Return the prefixes of the ids of all types of items."""
    return tuple(row.id_prefix for row in _ITEM_TYPES.values())


def _check_item_id(path: _Path, item: Any) -> None:
    """The id of an item must begin with a prefix of items. The error names that of the item's type.

    Items of unknown types may have any id.
    """
    id = item.get("id") if isinstance(item, dict) else None
    if not isinstance(id, str):
        return
    row = _ITEM_TYPES.get(str(_input_item_type(item)))
    if row and not id.startswith(_item_id_prefixes()):
        param = _format_path((*path, "id"))
        expected = f"Expected an ID that begins with '{row.id_prefix.rstrip('_')}'."
        _reject(f"Invalid '{param}': '{id}'. {expected}", param, "invalid_value")


def _check_content_types(call: _Call, path: _Path, accepted: Sequence[str] | None) -> None:
    """The content of the message at a path must have types that the role of the message has. Unknown types are ignored."""
    param, index = path
    for content_path, content_type in _values_at(call.body[param][index], "content[].type"):
        is_known = content_type in (*_INPUT_CONTENT_TYPES, *_OUTPUT_CONTENT_TYPES)
        if accepted and is_known and content_type not in accepted:
            supported = _enumeration([repr(word) for word in accepted])
            message = f"Invalid value: '{content_type}'. Supported values are: {supported}."
            _reject(message, _format_path((*path, *content_path[:-1])), "invalid_value")


def _objects_within(value: Any, path: _Path) -> Iterator[tuple[_Path, _JSON]]:
    """Yield the path and the value of each object in a value, at any depth."""
    if isinstance(value, dict):
        yield path, value
        for key, member in value.items():
            yield from _objects_within(member, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _objects_within(item, (*path, index))


def _check_content_source(path: _Path, content: Mapping[str, Any], sources: Sequence[str]) -> None:
    """Content must have exactly one of its sources."""
    given = [source for source in sources if content.get(source) is not None]
    alternatives = _enumeration([repr(source) for source in sources], "or")
    param = _format_path(path)
    if not given:
        message = f"Missing mutually exclusive parameters: '{param}'. Ensure you are providing exactly one of: {alternatives}."
        _reject(message, param, "missing_mutually_exclusive_parameters")
    if len(given) > 1:
        message = f"Mutually exclusive parameters: '{param}'. Ensure you are only providing one of: {alternatives}."
        _reject(message, param, "mutually_exclusive_parameters")


# Types of files that the service reads as input, of which it has many more: code, other documents, other tables.
_CONTEXT_FILE_TYPES = (".csv", ".doc", ".docx", ".html", ".json", ".md", ".pdf", ".pptx", ".txt", ".xlsx", ".xml")


# Types of files that are neither text nor documents nor tables: audio, images, video, archives and programs.
# fmt: off
_UNSUPPORTED_FILE_TYPES = {
    ".7z", ".aac", ".avi", ".bin", ".bmp", ".dll", ".exe", ".flac", ".gif", ".gz", ".heic", ".ico", ".iso", ".jpeg",
    ".jpg", ".m4a", ".mkv", ".mov", ".mp3", ".mp4", ".mpeg", ".mpga", ".ogg", ".opus", ".png", ".rar", ".so", ".tar",
    ".tif", ".tiff", ".wav", ".webm", ".webp", ".whl", ".zip",
}
# fmt: on


def _file_suffix(call: _Call, file: Mapping[str, Any]) -> str:
    """Return the suffix of a file that a model should read, of its name, its stored file or its URL. Without one, ""."""
    stored_file = call.store["files"].get(str(file.get("file_id"))) or {}
    name = file.get("filename") or stored_file.get("filename") or file.get("file_url") or ""
    return os.path.splitext(str(name).partition("?")[0])[1].lower()


def _reject_file_type(suffix: str, supported: Iterable[str], param: str) -> typing.NoReturn:
    """Raise the 400 of a file of a type that a model cannot read."""
    expected = f"Expected context stuffing file type to be a supported format: {', '.join(supported)}"
    _reject(f"Invalid input: {expected} but got {suffix}.", param, "invalid_value")


def _derive_response(call: _Call, obj: _JSON) -> _JSON:
    """Return the fields of a response that follow from its request, its model and its output.

    Raises `ValueError` for an item that a test set without a type.
    """
    output = obj["output"]
    for position, item in enumerate(output):
        if "type" not in item:
            place = f"{call.row.name}.response.output[{position}]"
            raise ValueError(f"{place} is {_safe_repr(item)}, which has no type; add one, such as 'message'")
    output_tokens = sum(_count_item_tokens(item) for item in output)
    fields = _usage_field(obj, input_tokens=_count_prompt_tokens(call), output_tokens=output_tokens)
    if fields:
        reasoning_tokens = sum(_count_item_tokens(item) for item in output if item["type"] == "reasoning")
        if reasoning_tokens:
            fields["usage"]["output_tokens_details"] = {"reasoning_tokens": reasoning_tokens}
        if call.is_azure:
            fields["usage"]["input_tokens_details"] = {"cached_tokens": 0}

    fields["output"] = [_item_with_request_fields(call, obj, position) for position in range(len(output))]
    fields |= _fields_by_model(call.body, obj)
    if obj.get("moderation"):
        fields["moderation"] = _moderate_sides(call, _conversation_items(call), output)
    conversation = _conversation_id(call)
    if conversation:
        fields["conversation"] = {"id": conversation}
    if call.is_azure:
        fields["tool_usage"] = ...
        return fields | _response_filter_fields(call, obj)
    if not call.wants_stream:
        fields["billing"] = {"payer": "developer"}
    return fields


def _list_tools(call: _Call) -> _JSON:
    """Return the `tools` of a response: those of the request and the loaded ones, in the order of the service."""
    tools = _only_dicts(call.body.get("tools")) + _loaded_tools(call)
    if not tools:
        return {}
    return {"tools": sorted(tools, key=_position_in_list)}


def _position_in_list(tool: Mapping[str, Any]) -> int:
    """Return the sort key of a tool in the `tools` of a response. Tools with the same key keep their order."""
    return _TOOL_TYPE_POSITIONS.get(str(tool.get("type")), 0)


# The sort keys of the types of tools that a response lists after all others.
_TOOL_TYPE_POSITIONS = {
    "custom": 1,
    "tool_search": 2,
    "namespace": 3,
}


def _loaded_tools(call: _Call) -> list[_JSON]:
    """Return the tools that items of the conversation load and that the request doesn't have itself, each once."""
    requested = _only_dicts(call.body.get("tools"))
    loaded: list[_JSON] = []
    prior_items = _prior_items(call.store, call.body.get("previous_response_id"), _conversation_id(call))
    input_items = _to_items(call.body.get("input"))  # not `call.input_items`: the output gets its ids before the input
    for item in (*prior_items, *input_items):
        for tool in _tools_of_item(item, str(call.body.get("model"))):
            if not any(_is_chosen(tool, known_tool) for known_tool in (*requested, *loaded)):
                loaded.append(tool)
    return loaded


def _tools_of_item(item: Mapping[str, Any], model: str) -> list[_JSON]:
    """Return the tools that an item loads: those that a search by the service found, or additional tools."""
    tools = _only_dicts(item.get("tools"))
    is_found = item.get("type") == "tool_search_output" and item.get("execution") == "server"
    is_additional = item.get("type") == "additional_tools"
    if is_additional and re.match(_NEWEST_MODELS, model):
        return tools
    if is_found or is_additional:
        return [_in_namespace(tool) for tool in tools]
    return []


def _in_namespace(tool: _JSON) -> _JSON:
    """Return the namespace that contains only a function or a custom tool, under its name. Return other tools as they are."""
    if tool.get("type") not in ("custom", "function"):
        return tool
    loaded_tool = {key: value for key, value in tool.items() if key != "defer_loading"}
    return {
        "type": "namespace",
        "name": tool.get("name"),
        "description": tool.get("description") or "",
        "tools": [loaded_tool],
    }


def _count_prompt_tokens(call: _Call) -> int:
    """Return the number of tokens of the instructions and of the conversation, with the input of the call."""
    instructions_tokens = _count_tokens(_extract_text(call.body.get("instructions")))
    return instructions_tokens + sum(_count_item_tokens(item) for item in _conversation_items(call))


def _count_item_tokens(item: Mapping[str, Any]) -> int:
    """Return the number of tokens of an item: of its text, and of its arguments if it is a tool call."""
    return _count_tokens(_extract_text(item) + str(item.get("arguments") or item.get("input") or ""))


def _fields_by_model(requested: Mapping[str, Any], response: Mapping[str, Any]) -> _JSON:
    """Return the fields of a response whose defaults depend on its AI model.

    A field that the request sets is left out, because the response has it already. `reasoning` is always there: the
    defaults, with the request's values over them.
    requested: the body of the request.
    response: the response, of which only `model` is used.
    """
    fields: _JSON = {}
    model = str(response["model"])
    family = _model_family(model)
    reasoning: _JSON = {"context": None, "effort": family and family.default_effort, "summary": None}
    for key, default in _defaults_for_model(_supported_response_defaults(), model).items():
        if key == "reasoning":
            reasoning |= default
        elif requested.get(key) is None:
            fields[key] = default

    for key, value in (requested.get("reasoning") or {}).items():
        if value is not None:
            reasoning[key] = value
    if reasoning["summary"] == "auto":  # the service answers with the summary that it chose for "auto"
        reasoning["summary"] = "detailed"
    fields["reasoning"] = reasoning
    return fields


def _defaults_for_model(rows: Iterable[tuple[str, Mapping[str, Any]]], model: str) -> Mapping[str, Any]:
    """Return the values of the first row whose pattern matches the beginning of a model's name, or an empty dict."""
    for pattern, values in rows:
        if re.match(pattern, model):
            return values
    return {}


# The names of the newest models, and of those that will be released. An alternative is matched from the name's beginning.
_NEWEST_MODELS = r"gpt-5\.([6-9]|\d\d)|gpt-([6-9]|\d\d)|o([5-9]|\d\d)"


# Defaults of fields of a response that depend on its model. The first row applies whose pattern matches the beginning of
# the model's name.
_RESPONSE_DEFAULTS_BY_MODEL: tuple[tuple[str, _JSON], ...] = (
    (
        _NEWEST_MODELS,
        {
            "reasoning": {
                "context": "all_turns",
                "mode": "standard",
            },
            "top_p": 0.98,
            "prompt_cache_retention": "24h",
        },
    ),
    (
        r"gpt-5\.5",
        {
            "reasoning": {
                "context": "current_turn",
                "mode": "standard",
            },
            "top_p": 0.98,
            "prompt_cache_retention": "24h",
        },
    ),
    (
        r"gpt-5\.[2-4]",
        {
            "reasoning": {
                "context": "current_turn",
                "mode": "standard",
            },
            "top_p": 0.98,
            "prompt_cache_retention": "24h",
        },
    ),
    (
        r"gpt-5\.1",
        {
            "reasoning": {
                "context": "current_turn",
                "mode": "standard",
            },
        },
    ),
    (
        r"gpt-5(?!-chat)|o\d|computer-use",
        {
            "reasoning": {
                "context": "current_turn",
                "mode": "standard",
            },
        },
    ),
)


@functools.cache
def _supported_response_defaults() -> list[tuple[str, Mapping[str, Any]]]:
    """Return `_RESPONSE_DEFAULTS_BY_MODEL` without fields of `reasoning` that the installed release doesn't have."""
    reasoning_type = _sdk_type("shared.Reasoning")
    rows: list[tuple[str, Mapping[str, Any]]] = []
    for pattern, defaults in _RESPONSE_DEFAULTS_BY_MODEL:
        reasoning = _accepted_fields(reasoning_type, defaults["reasoning"])
        rows.append((pattern, {**defaults, "reasoning": reasoning}))
    return rows


def _response_filter_fields(call: _Call, response: Mapping[str, Any]) -> _JSON:
    """Return the results of Azure's content filter for a response."""
    incomplete_details = response.get("incomplete_details") or {}
    harmful = incomplete_details.get("reason") == "content_filter"
    prompt_results = _filter_results("jailbreak")
    completion_results = _filter_results(*_PROTECTED_MATERIAL, harmful=harmful)
    prompt = _build_content_filter("prompt", call.body.get("input"), prompt_results, blocked=False)
    completion = _build_content_filter("completion", response["output"], completion_results, blocked=harmful)
    return {"content_filters": [prompt, completion]}


def _build_content_filter(source: str, content: Any, results: _JSON, *, blocked: bool) -> _JSON:
    """Build one of Azure's `content_filters`: the results for all text of the prompt or of the completion."""
    return {
        "blocked": blocked,
        "source_type": source,
        "content_filter_raw": [],
        _FILTER_KEY: results,
        "content_filter_offsets": {
            "start_offset": 0,
            "end_offset": len(_extract_text(content)),
            "check_offset": 0,
        },
    }


def _store_response(call: _Call, obj: _JSON, script: _Script) -> None:
    """Store a response with its input items, except with `store=False`, and add its items to its conversation.

    A response that runs in the background is reset to `queued`, unless the script sets its state. Its items are added
    when it is finished.
    """
    if call.body.get("store") is not False:
        _store_created(call, obj, script)
        call.store._ensure_metadata("responses", obj["id"]).input = call.input_items
        for item in call.input_items:
            call.store["responses.input_items"][obj["id"], item["id"]] = item
        if call.body.get("background") is True and not call.wants_stream and not script.sets_state:
            _run_in_background(call, obj)
            return
    _add_to_conversation(call, call.store, obj["output"])


def _run_in_background(call: _Call, obj: _JSON) -> None:
    """Reset a stored response to `queued`. The first retrieve sets it in progress, the second one finishes it."""
    initial_fields = _in_progress_fields(call, obj)
    final_fields = {key: obj[key] for key in initial_fields}
    if "billing" in obj:  # only finished responses have it
        final_fields["billing"] = obj.pop("billing")

    def finish(store: StateStore, response: _JSON) -> _JSON:
        _add_to_conversation(call, store, final_fields["output"])
        return final_fields

    obj |= initial_fields
    obj["status"] = "queued"
    _schedule(call.store, "responses", obj["id"], {"status": "in_progress"}, finish)


def _add_to_conversation(call: _Call, store: StateStore, output: Iterable[_JSON]) -> None:
    """Add the input items of a call and the output of its response to the conversation that the call names, if any."""
    conversation = _conversation_id(call)
    if conversation:
        for item in [*call.input_items, *output]:
            store["conversations.items"][conversation, item["id"]] = item


def _in_progress_fields(call: _Call, response: Mapping[str, Any]) -> _JSON:
    """Return the fields whose values differ between a response in progress and a finished one.

    response: the finished response.
    """
    fields = {
        "status": "in_progress",
        "output": [],
        "service_tier": call.body.get("service_tier") or "auto",  # the service reports the actual tier at the end
        "usage": None,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
    }
    if response.get("moderation"):
        fields["moderation"] = None
    if call.is_azure:
        fields["content_filters"] = None
    return fields


def _to_items(value: Any) -> list[_JSON]:
    """Convert the input of a request, a string or a list, to a list of items."""
    if value and isinstance(value, str):
        return [{"role": "user", "content": value}]
    return _only_dicts(value)


def _to_conversation_item(item: _JSON, store: StateStore) -> _JSON:
    """Return an item of a request as a conversation contains it, with an id and with the defaults of its type.

    A reference becomes the item that it names, if that is stored.
    Raises the 400 for an id that is not a string.
    """
    item = _resolve_reference(item, store)
    if item.get("type", "message") == "message" and isinstance(item.get("content"), str):
        part_type = "output_text" if item.get("role") == "assistant" else "input_text"
        item = {**item, "content": [{"type": part_type, "text": item["content"]}]}
    item_type = "message" if "role" in item else item.get("type")
    full_item = {"type": item_type, **item}
    with contextlib.suppress(ValueError):  # items that responses never contain, such as references, have no defaults
        full_item = _fill_placeholders(_merge(_sdk_type("responses.ResponseItem"), full_item, "input"), store)

    if full_item.get("id") is None:
        full_item["id"] = store._new_id("item_")
    if not isinstance(full_item["id"], str):
        _reject(f"Invalid type for the id of an item: expected a string, but got {_short_repr(full_item['id'])}.")
    if "status" in full_item and full_item["status"] is None:
        full_item["status"] = "completed"
    return full_item


def _cancel_response(call: _Call) -> Any:
    """Cancel a background response unless it is finished, and return it.

    Raises the 400 for a response that doesn't run in the background.
    """
    response = _require_target(call)
    if not response.get("background"):
        _reject("Only background responses can be cancelled.", "response_id")
    if response["status"] not in _FINAL_STATUSES:
        _force_stages(call, ({"status": "cancelled"},))
    return response


def _list_input_items(call: _Call) -> _JSON:
    """Return a page of the input items of a response. Image URLs are null unless the query includes them."""
    page = _handle_list(call)
    with_images = "message.input_image.image_url" in (call.all_params.get("include") or ())
    for index, item in enumerate(page["data"]):
        parts = _only_dicts(item.get("content"))
        if parts:
            page["data"][index] = item | {"content": [_listed_part(part, with_images) for part in parts]}
    return page


def _listed_part(part: _JSON, with_images: bool) -> _JSON:
    """Return a part of an input item as lists contain it: files without their data, images perhaps without their URL."""
    if part.get("type") not in ("input_file", "input_image"):
        return part
    listed_part = {"file_id": None, **part}
    if part["type"] == "input_file":
        listed_part.pop("file_data", None)
    elif not with_images:
        listed_part["image_url"] = None
    return listed_part


def _derive_compaction(call: _Call, obj: _JSON) -> _JSON:
    """Return the output of a compaction: the messages of the user, then the items of `obj`, which replace all others."""
    user_items = [item for item in _conversation_items(call) if item.get("role") == "user"]
    return {"output": [*(_to_output_message(item) for item in user_items), *obj["output"]]}


def _to_output_message(item: Mapping[str, Any]) -> _JSON:
    """Convert an input message to the output message with the same id and text."""
    return {
        "id": item["id"],
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": _extract_text(item), "annotations": []}],
    }


def _conversation_items(call: _Call) -> list[_JSON]:
    """Return all items that the model sees: those of the conversation so far, and the input of the call."""
    prior_items = _prior_items(call.store, call.body.get("previous_response_id"), _conversation_id(call))
    return [*prior_items, *call.input_items]


def _prior_items(store: StateStore, previous: Any, conversation: Any) -> list[_JSON]:
    """Return the items of a conversation, or else of a chain of responses, oldest first.

    previous: the id of the last response of the chain. If a response of the chain belongs to a conversation, all items
        of that conversation are the result.
    conversation: the id of the conversation, if the request names one.
    """
    items_by_response: dict[Any, list[_JSON]] = {}  # newest response first; its keys stop a chain that is a loop
    while not conversation and previous in store["responses"] and previous not in items_by_response:
        response = store["responses"][previous]
        items_by_response[previous] = [
            *store._ensure_metadata("responses", previous).input,
            *(response.get("output") or []),
        ]
        conversation = (response.get("conversation") or {}).get("id")
        previous = response.get("previous_response_id")
    if conversation:
        return list(store._children("conversations.items", conversation).values())
    return list(itertools.chain.from_iterable(reversed(items_by_response.values())))


def _conversation_id(call: _Call) -> str | None:
    """Return the id of the conversation that a request names, by its id or as an object."""
    conversation = call.body.get("conversation")
    if isinstance(conversation, dict):
        return conversation.get("id")
    return conversation


def _store_conversation(call: _Call, obj: _JSON, script: _Script) -> None:
    """Store a conversation and its initial items."""
    _store_created(call, obj, script)
    for item in call.input_items:
        call.store["conversations.items"][obj["id"], item["id"]] = item


def _delete_conversation_item(call: _Call) -> Any:
    """Delete an item and return its conversation."""
    _require_target(call)
    _delete_object(call.store, call.resource, call.id_path)
    return call.store["conversations"][call.parent_ids[0]]


def _implied_by_search(search: _JSON, explicit: Mapping[str, Any]) -> _JSON:
    """Return the list of queries of a search, if only a single query is set."""
    return {"queries": [explicit["query"]]} if explicit.get("query") else {}


def _implied_by_response(response: _JSON, explicit: Mapping[str, Any]) -> _JSON:
    """Return the fields of a response that has an error, or a reason why it is incomplete."""
    if explicit.get("error"):
        return {"status": "failed", "completed_at": None, "output": [], "usage": None}
    if explicit.get("incomplete_details"):
        return {"status": "incomplete", "completed_at": None}
    return {}


def _turn_to_response(turn: Turn) -> _JSON:
    """Convert a turn to a partial of `Response`: a reasoning item, a message, and an item for each tool call."""
    output: list[_JSON] = []
    if turn.reasoning:
        summary = [{"type": "summary_text", "text": turn.reasoning}]
        output.append({"type": "reasoning", "summary": summary})

    content: list[_JSON] = []
    if turn.text is not None:
        annotations = [_citation_annotation(citation) for citation in turn.citations]
        content.append({"type": "output_text", "text": turn.text, "annotations": annotations})
    if turn.refusal:
        content.append({"type": "refusal", "refusal": turn.refusal})
    if content:
        status = "incomplete" if turn.stop else "completed"
        output.append({"type": "message", "content": content, "status": status})

    output += [_response_tool_call(tool_call) for tool_call in turn.tool_calls]

    response: _JSON = {"output": output}
    reason = _INCOMPLETE_REASONS.get(turn.stop)
    if reason:
        response["incomplete_details"] = {"reason": reason}
    return response


def _response_tool_call(tool_call: ToolCall) -> _JSON:
    """Convert a tool call of a turn to an output item."""
    return {
        "type": "custom_tool_call" if tool_call.custom else "function_call",
        "call_id": tool_call.id or _NewId("call_"),
        **_tool_call_fields(tool_call),
    }


def _citation_annotation(citation: Citation) -> _JSON:
    """Convert a citation of a turn to an annotation of `output_text`."""
    if citation.url is not None:
        return _url_citation(citation)
    return {
        "type": "file_citation",
        "file_id": citation.file_id,
        "filename": citation.title,
        "index": citation.end,
    }


# ---- history: items that need other items ----------------------------------------------------------------------------


class _ToolCallType(NamedTuple):
    """The outputs with which the client answers the tool calls of one type."""

    output_types: tuple[str, ...]  # the types of an item that answers the call; the first one is documented
    # returns True for a call that the service answers itself
    is_hosted: Callable[[_JSON], bool] = lambda item: False


# The tool calls that the client has to answer. A request for an approval may stay without a response.
_TOOL_CALL_TYPES = {
    "apply_patch_call": _ToolCallType(("apply_patch_call_output",)),
    "computer_call": _ToolCallType(("computer_call_output",)),
    "custom_tool_call": _ToolCallType(("custom_tool_call_output",)),
    "function_call": _ToolCallType(("function_call_output",)),
    # Codex answers with the output of a function
    "local_shell_call": _ToolCallType(("local_shell_call_output", "function_call_output")),
    "shell_call": _ToolCallType(
        ("shell_call_output",),
        is_hosted=lambda item: _get_dict(item, "environment").get("type") == "container_reference",
    ),
    "tool_search_call": _ToolCallType(
        ("tool_search_output",),
        is_hosted=lambda item: item.get("execution") != "client",
    ),
}


_TOOL_OUTPUT_TYPES = {output_type for row in _TOOL_CALL_TYPES.values() for output_type in row.output_types}


def _check_history(call: _Call) -> None:
    """Raise the error of a conversation in which an item lacks another one that it needs.

    A tool call and its output need each other, and so do reasoning and the items that followed it. An id may occur once,
    and an item that is sent without its content must be stored.
    """
    prior_items = _prior_items(call.store, call.body.get("previous_response_id"), _conversation_id(call))
    sent_items = _to_items(call.body.get(call.behavior.input_param))
    if not prior_items and all(_is_new_message(item) for item in sent_items):
        return  # the most frequent input, which cannot lack anything
    _check_item_ids(call, prior_items)
    # as they were sent: the defaults of input items would fill in ids that the client left out
    resolved_items = [_resolve_reference(item, call.store) for item in sent_items]
    items = [*prior_items, *resolved_items]
    _check_calls_and_outputs(items)

    ids = {item["id"] for item in items if _is_from_model(item) and isinstance(item.get("id"), str)}
    turns = _turns_by_item(call.store, ids)
    if turns:
        _check_last_reasoning(prior_items, turns)
        encrypted_ids = {item.get("id") for item in sent_items if item.get("encrypted_content")}
        _check_followed(resolved_items, turns, encrypted_ids)
        _check_preceded(items, turns)


def _is_new_message(item: Mapping[str, Any]) -> bool:
    """Return True if an item is a message without an id."""
    return "id" not in item and item.get("type", "message") == "message"


def _check_new_items(call: _Call) -> None:
    """The new items of a conversation must have different ids, and references must name stored items."""
    _check_item_ids(call, ())


def _check_item_ids(call: _Call, prior_items: Iterable[_JSON]) -> None:
    """Raise the 400 of an item that is sent twice, or the 404 of an item without its content that is not stored.

    Items of different types are different items: the id of an item begins with the prefix of its type.
    prior_items: the items of the conversation so far, which must not be sent again.
    """
    param = call.behavior.input_param
    known_items = {_item_identity(item) for item in prior_items}
    for item in _to_items(call.body.get(param)):
        id = item.get("id")
        if not isinstance(id, str):
            continue
        identity = _item_identity(_resolve_reference(item, call.store))
        if identity in known_items:
            advice = "Remove duplicate items from your input and try again."
            _reject(f"Duplicate item found with id {id}. {advice}", param)
        known_items.add(identity)
        if _lacks_content(item) and not _may_be_stored(call.store, id):
            advice = "Try again with `store` set to true, or remove this item from your input."
            message = f"Item with id '{id}' not found. Items are not persisted when `store` is set to false. {advice}"
            _reject(message, param, status=404)


def _item_identity(item: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return what makes two items the same: their type and their id."""
    return _input_item_type(item), item.get("id")


def _input_item_type(item: Mapping[str, Any]) -> Any:
    """Return the type of an item of a request. A message may omit it."""
    if item.get("type") is None and "role" in item:
        return "message"
    return item.get("type")


# The ids that the service itself gives to items: the prefix of a type, and 48 or 50 hexadecimal digits.
_SERVICE_ITEM_ID = r"[a-z]+_[0-9a-f]{48,50}"


def _may_be_stored(store: StateStore, id: str) -> bool:
    """Return True if an item is stored, or if the service made its id: then it may be stored by the service."""
    return re.fullmatch(_SERVICE_ITEM_ID, id) is not None or _find_item(store, id) is not None


def _lacks_content(item: Mapping[str, Any]) -> bool:
    """Return True if the service has the content of an item and the item doesn't: a reference, or bare reasoning."""
    if item.get("type") == "reasoning":
        return not item.get("encrypted_content")
    return _is_reference(item)


def _is_reference(item: Mapping[str, Any]) -> bool:
    """Return True if an item refers to a stored item. References may omit their type."""
    if item.get("type") is None:
        return "id" in item and "role" not in item
    return item["type"] == "item_reference"


def _resolve_reference(item: _JSON, store: StateStore) -> _JSON:
    """Return a copy of the stored item that a reference names. Return any other item, or one not stored, as it is."""
    if not _is_reference(item):
        return item
    stored_item = _find_item(store, item.get("id"))
    return item if stored_item is None else _copy_json(stored_item)


def _find_item(store: StateStore, id: Any) -> _JSON | None:
    """Return the item with an id in the responses and conversations of a store, or None."""
    if not isinstance(id, str):
        return None
    for output_item in _turns_by_item(store, {id}).get(id, ()):
        if output_item.get("id") == id:
            return output_item
    for resource in ("conversations.items", "responses.input_items"):
        for key, item in store[resource].items():
            if key[-1] == id:
                return item
    return None


def _turns_by_item(store: StateStore, ids: set[Any]) -> dict[Any, list[_JSON]]:
    """Return, by the ids of items, the output of the stored responses that contain them. Other ids are left out."""
    turns: dict[Any, list[_JSON]] = {}
    for response in reversed(store["responses"].values()):  # most items are from one of the last responses
        if len(turns) == len(ids):
            break
        output = _only_dicts(response.get("output"))
        for item in output:
            if item.get("id") in ids:
                turns.setdefault(item["id"], output)
    return turns


def _check_calls_and_outputs(items: Iterable[_JSON]) -> None:
    """Raise the 400 of a tool output without its call, of a call without its output, or of a check not acknowledged.

    The order of calls and outputs is free. A reference to an item that only the service has may be the call of an output.
    """
    tracker = _CallTracker()
    outputs: list[_JSON] = []
    has_unknown_items = False
    for item in items:
        if _is_reference(item):
            has_unknown_items = True
        elif item.get("type") in _TOOL_OUTPUT_TYPES:
            outputs.append(item)
        elif item.get("type") in _TOOL_CALL_TYPES and item.get("call_id") is not None:
            tracker.add(item["call_id"], item)
            if not _needs_output(item):
                tracker.answer(item["call_id"])

    for output in outputs:
        call_id = _answered_call_id(output)
        if call_id is None:
            continue
        tool_call = tracker.answer(call_id)
        if tool_call is None and has_unknown_items:
            continue
        if tool_call is None or output["type"] not in _TOOL_CALL_TYPES[tool_call["type"]].output_types:
            _reject(f"No tool call found for {_spaced(output['type'])} with call_id {call_id}.", "input")
        _check_acknowledged(tool_call, output)
    for call_id, tool_call in tracker.unanswered.items():
        _reject(f"No tool output found for {_spaced(tool_call['type'])} {call_id}.", "input")


def _needs_output(item: _JSON) -> bool:
    """Return True if an item is a tool call that the client has to answer."""
    row = _TOOL_CALL_TYPES.get(item["type"])
    return row is not None and not row.is_hosted(item)


def _answered_call_id(output: _JSON) -> Any:
    """Return the call id that a tool output has. The output of a local shell may have it as its own id."""
    if output["type"] == "local_shell_call_output":
        return output.get("call_id") or output.get("id")
    return output.get("call_id")


def _spaced(item_type: str) -> str:
    """Return the type of an item as messages contain it."""
    return item_type.replace("_", " ")


def _check_acknowledged(tool_call: _JSON, output: _JSON) -> None:
    """Raise the 400 of an output that doesn't acknowledge all safety checks of a computer call."""
    acknowledged = {check.get("id") for check in _only_dicts(output.get("acknowledged_safety_checks"))}
    pending = [check.get("id") for check in _only_dicts(tool_call.get("pending_safety_checks"))]
    missing = [id for id in pending if id not in acknowledged]
    if missing:
        _reject(f"Computer tool has unacknowledged safety check for {missing}", "input")


def _is_from_model(item: Mapping[str, Any]) -> bool:
    """Return True if an item may be output of the model, because it is neither a client's message nor a tool output."""
    return item.get("role", "assistant") == "assistant" and item.get("type") not in _TOOL_OUTPUT_TYPES


def _check_last_reasoning(prior_items: Iterable[_JSON], turns: Mapping[Any, list[_JSON]]) -> None:
    """Raise the 400 of a conversation so far with a turn that ends with reasoning.

    turns: the output of the stored response for the id of each of its items.
    """
    for item in prior_items:
        turn = turns.get(item.get("id"))
        if turn and item.get("type") == "reasoning" and turn[-1].get("id") == item["id"]:
            _reject_lone_reasoning(item)


def _check_followed(
    sent_items: Iterable[_JSON], turns: Mapping[Any, list[_JSON]], encrypted_ids: Iterable[Any]
) -> None:
    """Raise the 400 of stored reasoning that is sent without the item that followed it.

    More reasoning may be between them. Any item of the same turn may follow, and after reasoning with its encrypted
    content any output of the model: clients keep such reasoning with its id, and the next item without one.
    turns: the output of the stored response for the id of each of its items.
    encrypted_ids: the ids of the items that are sent with their encrypted content.
    """
    pending: list[_JSON] = []
    for item in sent_items:
        if item.get("type") == "reasoning":
            if item.get("id") in turns:
                pending.append(item)
            continue
        for reasoning in pending:
            is_same_turn = turns.get(item.get("id")) is turns[reasoning["id"]]
            is_encrypted = reasoning["id"] in encrypted_ids
            if not is_same_turn and not (is_encrypted and _is_from_model(item)):
                _reject_lone_reasoning(reasoning)
        pending.clear()
    if pending:
        _reject_lone_reasoning(pending[0])


def _reject_lone_reasoning(item: _JSON) -> typing.NoReturn:
    _reject(f"Item '{item['id']}' of type 'reasoning' was provided without its required following item.", "input")


def _check_preceded(items: Sequence[_JSON], turns: Mapping[Any, list[_JSON]]) -> None:
    """Raise the 400 of an item that came after reasoning, if that reasoning is missing.

    turns: the output of the stored response for the id of each of its items.
    Reasoning that is sent without its id may be any reasoning.
    """
    reasoning_ids = {item.get("id") for item in items if item.get("type") == "reasoning"}
    if None in reasoning_ids:
        return
    for item in items:
        reasoning_id = _required_reasoning(item, turns)
        if reasoning_id is not None and reasoning_id not in reasoning_ids:
            label = f"Item '{item['id']}' of type '{item.get('type', 'message')}'"
            _reject(f"{label} was provided without its required 'reasoning' item: '{reasoning_id}'.", "input")


def _required_reasoning(item: _JSON, turns: Mapping[Any, list[_JSON]]) -> Any:
    """Return the id of the last reasoning before an item in its turn, or None."""
    reasoning_id = None
    for output_item in turns.get(item.get("id"), ()):
        if output_item.get("id") == item["id"]:
            return reasoning_id
        if output_item.get("type") == "reasoning":
            reasoning_id = output_item.get("id")
    return None


# ---- stream events of a response -------------------------------------------------------------------------------------


def _response_stream(call: _Call, response: _JSON, chunk: int | None) -> Iterator[_Event]:
    """Return the events of a response with their sequence numbers.

    chunk: the number of characters of each piece of text, or `None` for pieces of one word.
    The query's `starting_after` leaves out the events up to that number. Raises the 400 of a value that is not a number.
    """
    starting_after = _to_int("starting_after", call.query.get("starting_after", -1))
    return _events_after(starting_after, _response_events(call, response, chunk))


def _events_after(starting_after: int, events: Iterable[_JSON]) -> Iterator[_Event]:
    """Number the events of a response, and yield those after a sequence number."""
    for sequence_number, event in enumerate(events):
        if sequence_number > starting_after:
            yield event["type"], event | {"sequence_number": sequence_number}


def _response_events(call: _Call, response: _JSON, chunk: int | None) -> Iterator[_JSON]:
    """Yield the events of a response from `response.created` to its final status, without sequence numbers."""
    in_progress = response | _in_progress_fields(call, response)
    if response.get("background"):
        queued = in_progress | {"status": "queued"}
        yield {"type": "response.created", "response": queued}
        yield {"type": "response.queued", "response": queued}
    else:
        yield {"type": "response.created", "response": in_progress}
    yield {"type": "response.in_progress", "response": in_progress}

    for index, item in enumerate(response["output"]):
        yield {"type": "response.output_item.added", "output_index": index, "item": _added_item(item)}
        for event in _item_events(item, response, chunk):
            yield {"item_id": item.get("id"), "output_index": index} | event
        yield {"type": "response.output_item.done", "output_index": index, "item": item}

    error = response.get("error") or {}
    if error.get("code") in _CODES_WITH_ERROR_EVENT:
        yield {"type": "error", "error": {"type": error["code"], "param": None, **error}}
    status = response.get("status")
    final_status = status if status in ("failed", "incomplete") else "completed"
    yield {"type": f"response.{final_status}", "response": response}


# Error codes of failed responses whose stream has an `error` event before `response.failed`.
_CODES_WITH_ERROR_EVENT = {"insufficient_quota"}


# ---- output items ----------------------------------------------------------------------------------------------------


# A function that yields events of an item. The second argument is the length of the pieces of text; see `_split_text`.
_ItemEvents = Callable[[_JSON, int | None], Iterator[_JSON]]


# A function that returns fields of an item. The arguments are the call, its response, and the item's index in `output`.
_RequestFields = Callable[[_Call, Mapping[str, Any], int], _JSON]


class _ItemType(NamedTuple):
    """The ids, defaults and events of one type of item. A row of `_ITEM_TYPES` has only the fields that differ.

    An item type without a row is valid too: its model gives the defaults and the id prefix, and its stream consists of
    `output_item.added` and `output_item.done`, both with the complete item.
    """

    # The prefix of the ids. The default is the model's name in snake case.
    id_prefix: str = ""
    # The SDK's models of the item and of its parts, by name without `Beta`. Each has default values for those fields
    # whose value the types don't determine; `...` leaves a field out.
    models: Mapping[str, Mapping[str, Any]] = {}
    # The events between `output_item.added` and `output_item.done`. A string is a stage, sent as
    # `response.<type>.<stage>`. A function yields events of the item.
    events: tuple[str | _ItemEvents, ...] = ()
    # Fields with another value in `output_item.added` than later. A `_StreamedField` in `events` implies an empty field.
    initial: Mapping[str, Any] = {}
    # The type of the tool in the request that creates such items, and the names of the fields copied from that tool.
    tool: str = ""
    tool_fields: tuple[str, ...] = ()
    # A function that returns fields which depend on other parts of the request.
    request_fields: _RequestFields | None = None


class _StreamedField(NamedTuple):
    """A member of `_ItemType.events` that sends the text of a field as `response.<type>_<field>.delta` and `.done`."""

    field: str

    def __call__(self, item: _JSON, chunk: int | None) -> Iterator[_JSON]:
        name = f"response.{item['type']}_{self.field}"
        text = item[self.field]
        yield from _delta_events(name, text, chunk)
        done = {"type": f"{name}.done", self.field: text or ""}
        if "name" in item:
            done["name"] = item["name"]
        yield done


def _item_type_of(item: Mapping[str, Any]) -> _ItemType:
    """Return the row of the item's type, or a row without any fields."""
    return _ITEM_TYPES.get(item["type"]) or _ItemType()


def _item_with_request_fields(call: _Call, response: Mapping[str, Any], position: int) -> _JSON:
    """Return a copy of an output item of a response, with the fields that depend on the request.

    position: the index of the item in the output of the response.
    """
    item = dict(response["output"][position])
    row = _item_type_of(item)
    if row.request_fields:
        item |= row.request_fields(call, response, position)
    return item | _fields_of_tool(row, call.body)


def _fields_of_tool(row: _ItemType, body: Mapping[str, Any]) -> _JSON:
    """Return the fields that items of a type copy from their tool, without those that the request leaves out."""
    tool = _find_tool(row.tool, body)
    fields = {}
    for name in row.tool_fields:
        if tool.get(name) not in (None, "auto"):  # "auto" lets the service choose, and the item's default is a choice
            fields[name] = tool[name]
    return fields


def _added_item(item: _JSON) -> _JSON:
    """Return an item as it is in `output_item.added`: in progress, and without the content that is streamed later."""
    row = _item_type_of(item)
    initial: _JSON = {step.field: "" for step in row.events if isinstance(step, _StreamedField)}
    initial.update(row.initial)
    added = _replace_present(item, initial)
    if row.events and item.get("status"):
        added["status"] = "in_progress"
    return added


def _replace_present(item: _JSON, values: Mapping[str, Any]) -> _JSON:
    """Return a copy of an item with other values for those fields that it has, at every depth.

    An empty dict replaces the whole value of its field.
    """
    replaced = dict(item)
    for key, value in values.items():
        if item.get(key) is None:
            continue
        if value and isinstance(value, dict):
            replaced[key] = _replace_present(item[key], value)
        else:
            replaced[key] = value
    return replaced


def _find_tool(tool_type: str, body: Mapping[str, Any]) -> _JSON:
    """Return the first tool of a type in a request or a response, or an empty dict."""
    for tool in _only_dicts(body.get("tools")):
        if tool.get("type") == tool_type:
            return tool
    return {}


def _item_events(item: _JSON, response: _JSON, chunk: int | None) -> Iterator[_JSON]:
    """Yield the events of an item between `output_item.added` and `output_item.done`, without id and index."""
    row = _item_type_of(item)
    item_and_tool = _find_tool(row.tool, response) | item  # only the tool has the number of partial images
    for step in row.events:
        if callable(step):
            yield from step(item_and_tool, chunk)
        else:
            has_failed = step == "completed" and item.get("error")
            stage = "failed" if has_failed else step
            yield {"type": f"response.{item['type']}.{stage}"}


def _delta_events(name: str, text: str | None, chunk: int | None) -> Iterator[_JSON]:
    """Yield a text in pieces, as events of the type `<name>.delta`."""
    for piece in _split_text(text, chunk):
        yield {"type": f"{name}.delta", "delta": piece}


# ---- output items: messages and reasoning ----------------------------------------------------------------------------


_MODELS_WITH_PHASES = (
    rf"gpt-5\.[3-5]|{_NEWEST_MODELS}"  # these models mark each message as a commentary or as the final answer
)


def _message_fields(call: _Call, response: Mapping[str, Any], position: int) -> _JSON:
    """Return the phase of a message, and its content with filenames in citations.

    The content has log probabilities too, if the request includes them.
    """
    message = response["output"][position]
    content = [_part_with_filenames(call.store, part) for part in message["content"]]
    fields: _JSON = {}
    if "phase" not in message and re.match(_MODELS_WITH_PHASES, str(response["model"])):
        later_items = response["output"][position + 1 :]
        precedes_call = any(item["type"].endswith("_call") for item in later_items)
        fields["phase"] = "commentary" if precedes_call else "final_answer"
    if "message.output_text.logprobs" in (call.body.get("include") or ()):
        top = call.get_int("top_logprobs", 0)
        content = [_part_with_logprobs(part, top) for part in content]
    return fields | {"content": content}


def _part_with_filenames(store: StateStore, part: _JSON) -> _JSON:
    """Return a part of a message with the name of each cited file that has none."""
    if not part.get("annotations"):
        return part
    annotations = []
    for annotation in part["annotations"]:
        if annotation.get("type") == "file_citation" and not annotation.get("filename"):
            annotation = annotation | {"filename": _stored_filename(store, annotation["file_id"])}
        annotations.append(annotation)
    return part | {"annotations": annotations}


def _part_with_logprobs(part: _JSON, top: int) -> _JSON:
    """Return a part of a message with log probabilities, unless it is not a text or has some already."""
    if part["type"] != "output_text" or part.get("logprobs"):
        return part
    return part | {"logprobs": _fake_logprobs(part["text"], top)}


def _message_events(message: _JSON, chunk: int | None) -> Iterator[_JSON]:
    """Yield the events of all parts of a message."""
    for index, part in enumerate(message["content"]):
        if part["type"] == "refusal":
            events = _part_events("refusal", part, "refusal", chunk)
        else:
            events = _output_text_events(part, chunk)
        for event in events:
            yield {"content_index": index} | event


def _output_text_events(part: _JSON, chunk: int | None) -> Iterator[_JSON]:
    """Yield the events of a text, with each annotation after the piece that ends the annotated text."""
    added, *deltas, text_done, part_done = _part_events("output_text", part, "text", chunk)
    yield added | {"part": added["part"] | {"annotations": [], "logprobs": []}}

    logprobs = part.get("logprobs") or []
    logprobs_per_piece = _logprobs_by_piece([delta["delta"] for delta in deltas], logprobs)
    pending_annotations = list(enumerate(part["annotations"]))
    position = 0
    for delta, piece_logprobs in zip(deltas, logprobs_per_piece, strict=True):
        yield delta | {"logprobs": piece_logprobs}
        position += len(delta["delta"])
        while pending_annotations:
            index, annotation = pending_annotations[0]
            end = _annotation_end(annotation)
            if end is None or end > position:
                break
            yield _annotation_event(index, annotation)
            pending_annotations.pop(0)
    for index, annotation in pending_annotations:
        yield _annotation_event(index, annotation)

    yield text_done | {"logprobs": logprobs}
    yield part_done | {"part": part | {"logprobs": []}}


def _annotation_end(annotation: Mapping[str, Any]) -> int | None:
    """Return the position in the text where an annotation ends, or `None` if the annotation has no position."""
    return annotation.get("end_index") or annotation.get("index") or None


def _annotation_event(index: int, annotation: _JSON) -> _JSON:
    return {
        "type": "response.output_text.annotation.added",
        "annotation_index": index,
        "annotation": annotation,
    }


def _part_events(
    name: str, part: _JSON, field: str, chunk: int | None, part_name: str = "content_part"
) -> Iterator[_JSON]:
    """Yield the events of a part: the part with an empty text, the text in pieces, the whole text, the whole part.

    name: the name of the events of the text, such as `output_text`.
    field: the field of the part that contains the text.
    chunk: the length of the pieces; see `_split_text`. A piece also ends wherever an annotation ends.
    part_name: the name of the events of the part.
    """
    text = part[field]
    yield {"type": f"response.{part_name}.added", "part": part | {field: ""}}
    cuts = {0, len(text)}
    for annotation in part.get("annotations") or ():
        end = _annotation_end(annotation)
        if end and end > 0:
            cuts.add(end)
    for start, end in itertools.pairwise(sorted(cuts)):
        yield from _delta_events(f"response.{name}", text[start:end], chunk)
    yield {"type": f"response.{name}.done", field: text}
    yield {"type": f"response.{part_name}.done", "part": part}


def _reasoning_summary(call: _Call, response: Mapping[str, Any], position: int) -> _JSON:
    """Return the summary of a reasoning item that doesn't have one, if the request wants summaries."""
    wants_summary = _get_dict(call.body, "reasoning").get("summary")
    if not wants_summary or response["output"][position]["summary"]:
        return {}
    return {"summary": [{"type": "summary_text", "text": _DEFAULT_TEXT}]}


def _reasoning_events(item: _JSON, chunk: int | None) -> Iterator[_JSON]:
    """Yield the events of all parts of a reasoning item, of its summary before its content."""
    for index, part in enumerate(item["summary"]):
        for event in _part_events("reasoning_summary_text", part, "text", chunk, "reasoning_summary_part"):
            yield event | {"summary_index": index}
    for index, part in enumerate(item.get("content") or ()):
        for event in _part_events("reasoning_text", part, "text", chunk):
            yield event | {"content_index": index}


# ---- output items: tool calls and their results ----------------------------------------------------------------------


def _function_call_fields(call: _Call, response: Mapping[str, Any], position: int) -> _JSON:
    """Return the namespace of a function call, and the program that makes it."""
    return _called_namespace(call, response, position) | _calling_program(call, response, position)


def _called_namespace(call: _Call, response: Mapping[str, Any], position: int) -> _JSON:
    """Return the namespace of the tool that an item calls, as a field. A tool that is listed by itself has none.

    A model calls a deferred tool after a search by the service, which loads the tool into a namespace of its own.
    """
    name = response["output"][position]["name"]
    tools = _only_dicts(response.get("tools"))
    same_name = [tool for tool in tools if tool.get("type") in ("custom", "function") and tool.get("name") == name]
    if not all(tool.get("defer_loading") for tool in same_name):
        return {}
    for tool in tools:
        is_namespace = tool.get("type") == "namespace"
        if is_namespace and any(nested.get("name") == name for nested in _only_dicts(tool.get("tools"))):
            return {"namespace": tool["name"]}
    client_searches = _find_tool("tool_search", response).get("execution") == "client"
    if same_name and not client_searches:
        return {"namespace": name}
    return {}


def _calling_program(call: _Call, response: Mapping[str, Any], position: int) -> _JSON:
    """Return the fields of a function call that a program makes: the program, and the status `in_progress`.

    A program makes the call if the request allows no other callers of the function. If the request does not define the
    function, all other functions decide.
    """
    name = response["output"][position]["name"]
    functions = [tool for tool in _only_dicts(call.body.get("tools")) if tool.get("type") == "function"]
    same_name = [function for function in functions if function.get("name") == name]
    candidates = same_name or functions
    only_programs = all(function.get("allowed_callers") == ["programmatic"] for function in candidates)
    if not candidates or not only_programs:
        return {}

    items = [*_conversation_items(call), *response["output"]]
    program_ids = [item["call_id"] for item in items if item.get("type") == "program"]
    caller_id = program_ids[-1] if program_ids else call.store._new_id("call_")
    return {"status": "in_progress", "caller": {"type": "program", "caller_id": caller_id}}


def _code_outputs(call: _Call, response: Mapping[str, Any], position: int) -> _JSON:
    """Return the outputs of a code interpreter call, if the request includes them."""
    outputs = [{"type": "logs", "logs": "42\n"}]  # the output of the default code, `print(42)`
    return _fields_if_included(call, "code_interpreter_call.outputs", outputs=outputs)


def _file_search_fields(call: _Call, response: Mapping[str, Any], position: int) -> _JSON:
    """Return the queries of a file search, and its results if the request includes results."""
    queries = response["output"][position]["queries"] or [_search_query(call)]
    results = _file_search_results(call, queries)
    return {"queries": queries, **_fields_if_included(call, "file_search_call.results", results=results)}


def _file_search_results(call: _Call, queries: Sequence[str]) -> list[_JSON]:
    """Return what a file search finds in the vector stores of the request's tool. Raises the 400 of an invalid filter."""
    tool = _find_tool("file_search", call.body)
    max_results = tool.get("max_num_results") or 20
    results = []
    for hit in _search_files(call.store, tool.get("vector_store_ids") or (), queries, tool)[:max_results]:
        result = {name: value for name, value in hit.items() if name != "content"}
        results.append(result | {"text": hit["content"][0]["text"]})
    return results


def _computer_actions(call: _Call, response: Mapping[str, Any], position: int) -> _JSON:
    """Return what a computer call does, unless it is set: `actions` for the tool `computer`, else one `action`."""
    item = response["output"][position]
    if item.get("action") or item.get("actions"):
        return {}
    if _find_tool("computer", call.body):
        return {"actions": [{"type": "screenshot"}]}
    return {"action": {"type": "click", "button": "left", "x": 0, "y": 0}}


def _web_search_fields(call: _Call, response: Mapping[str, Any], position: int) -> _JSON:
    """Return the action of a web search, with one source if the request includes sources."""
    query = _search_query(call)
    sources = [{"type": "url", "url": "https://example.com"}]
    fields = _fields_if_included(call, "web_search_call.action.sources", sources=sources)
    return {"action": {"type": "search", "query": query, "queries": [query], **fields}}


def _tool_search_arguments(call: _Call, response: Mapping[str, Any], position: int) -> _JSON:
    """Return the arguments of a tool search: generated if the client searches, else the names of all deferred tools."""
    search = _find_tool("tool_search", call.body)
    if search.get("execution") == "client":
        arguments = _generate(search.get("parameters") or {}, "tool_search", call.body)
        return {"arguments": arguments, "call_id": call.store._new_id("call_")}
    paths = [tool["name"] for tool in _deferred_tools(call, response) if "name" in tool]
    return {"arguments": {"paths": paths}}


def _tool_search_result(call: _Call, response: Mapping[str, Any], position: int) -> _JSON:
    """Return the tools that a tool search finds: all that are deferred."""
    return {"tools": _deferred_tools(call, response)}


def _deferred_tools(call: _Call, response: Mapping[str, Any]) -> list[_JSON]:
    """Return the tools of a response that the model sees only after it has searched for them."""
    loaded_names = {tool["name"] for tool in _loaded_tools(call) if tool["type"] == "namespace"}
    deferred: list[_JSON] = []
    for tool in response["tools"]:
        is_unloaded_namespace = tool["type"] == "namespace" and tool["name"] not in loaded_names
        if tool.get("defer_loading") or is_unloaded_namespace:
            deferred.append(tool)
    return deferred


def _mcp_approval_fields(call: _Call, response: Mapping[str, Any], position: int) -> _JSON:
    """Return the id of the approval request that the input answers, or null."""
    for item in _only_dicts(call.body.get("input")):
        if item.get("type") == "mcp_approval_response":
            return {"approval_request_id": item.get("approval_request_id")}
    return {"approval_request_id": None}


def _image_result(call: _Call, response: Mapping[str, Any], position: int) -> _JSON:
    """Return the image of an image generation call, in the format that its tool or the item itself has."""
    item = response["output"][position]
    settings = item | _fields_of_tool(_item_type_of(item), call.body)
    return {"result": _blank_image(settings.get("output_format"), settings.get("background"))}


def _partial_images(item: _JSON, chunk: int | None) -> Iterator[_JSON]:
    """Yield as many partial images as the tool requests, each of them the whole image."""
    event = {"type": "response.image_generation_call.partial_image", "partial_image_b64": item["result"]}
    for key in _IMAGE_DEFAULTS:
        if item.get(key):
            event[key] = item[key]
    for index in range(item.get("partial_images") or 0):
        yield event | {"partial_image_index": index}


def _diff_events(item: _JSON, chunk: int | None) -> Iterator[_JSON]:
    """Yield the diff of an operation in pieces. An operation that deletes a file has no diff, and no events."""
    operation = item["operation"]
    if "diff" in operation:
        name = "response.apply_patch_call_operation_diff"
        yield from _delta_events(name, operation["diff"], chunk)
        yield {"type": f"{name}.done", "diff": operation["diff"] or ""}


def _command_events(item: _JSON, chunk: int | None) -> Iterator[_JSON]:
    """Yield the commands of a shell call in pieces."""
    name = "response.shell_call_command"
    for index, command in enumerate(item["action"]["commands"]):
        yield {"type": f"{name}.added", "command": "", "command_index": index}
        for event in _delta_events(name, command, chunk):
            yield event | {"command_index": index}
        yield {"type": f"{name}.done", "command": command or "", "command_index": index}


def _command_output_events(item: _JSON, chunk: int | None) -> Iterator[_JSON]:
    """Yield the output of each command of a shell call, in one piece."""
    name = "response.shell_call_output_content"
    for index, output in enumerate(item["output"]):
        delta = {key: output[key] for key in ("stdout", "stderr") if output.get(key)}
        yield {"type": f"{name}.delta", "delta": delta, "command_index": index}
        yield {"type": f"{name}.done", "output": [output], "command_index": index}


def _fields_if_included(call: _Call, name: str, **fields: Any) -> _JSON:
    """Return fields that the API sends only if `include` of the request names them."""
    return fields if name in (call.body.get("include") or ()) else {}


def _search_query(call: _Call) -> str:
    """Return the text of the last input item, or the default text if it has none."""
    last_items = _to_items(call.body.get("input"))[-1:]
    return _extract_text(last_items) or _DEFAULT_TEXT


# ---- WebSocket sessions ----------------------------------------------------------------------------------------------


_MAX_STREAM_IDS = 32  # distinct ones of a connection


class _ResponsesSession(_SocketSession):
    """A connection that creates responses. More input can be sent to a response while it is in progress."""

    # the connections of `responses` and `beta.responses` have the same URL
    client_events = "responses.ResponsesClientEventParam beta.BetaResponsesClientEventParam"

    def __init__(self, call: _Call, router: Router) -> None:
        super().__init__(call, router)
        self.stream_ids: set[str] = set()
        # By response id: the message that created the response, or `None` if the response is complete.
        self.creators: dict[str, _ClientMessage | None] = {}
        # By response id: input for the response that follows.
        self.queued_input: dict[str, list[_JSON]] = {}
        # By the id of a response that was steered: events to send after the response.
        self.pending_steers: dict[str, list[_JSON]] = {}

    def queue_key(self, message: _ClientMessage) -> Any:
        return message.get_str("type"), message.get_str("stream_id")

    def format_event(self, message: _ClientMessage, event: _JSON) -> _JSON:
        return event | _stream_id_field(message)

    def error_event(self, message: _ClientMessage, error: _ServiceError) -> _JSON:
        return {"type": "error", "status": error.status, "error": error.envelope}

    def expiry_event(self, message: _ClientMessage) -> _JSON:
        return self.error_event(message, _expiry_error("websocket_connection_limit_reached"))

    @_handles("response.create")
    async def create(self, message: _ClientMessage) -> Iterator[Any]:
        """Create a response, with the input that is queued for it."""
        self._add_stream_id(message)
        queued = self.queued_input.pop(message.get_str("previous_response_id"), None)
        if queued:
            message_input = [*queued, *_to_items(message.body.get("input"))]
            message = message.with_body({**message.body, "input": message_input})
        if message.body.get("generate") is False:
            return self._track(message, _warm_up(message))
        return self._track(message, await _answer_as_events(message))

    @_handles("response.inject")
    def inject(self, message: _ClientMessage) -> list[_JSON]:
        """Queue tool outputs of a response in progress for the response that follows it."""
        target = message.body["response_id"]
        outputs = message.body["input"]
        fields = {"response_id": target, "sequence_number": 0}
        if not outputs or any(not str(item.get("type")).endswith("_output") for item in outputs):
            _reject("Only tool outputs can be injected.", "input", "invalid_value")
        try:
            creator = self._creating_message(target, "response_id")
        except _ServiceError as service_error:
            error = {key: service_error.envelope[key] for key in ("code", "message")}
            return [{"type": "response.inject.failed", "error": error, "input": outputs, **fields}]
        self._queue_input(target, outputs)
        return [{"type": "response.inject.created", **fields, **_stream_id_field(creator)}]

    @_handles("response.steer")
    async def steer(self, message: _ClientMessage) -> list[_JSON]:
        """Add messages of the user to a response in progress."""
        target = message.body["previous_response_id"]
        items = _to_items(message.body["input"])
        steer = {"previous_response_id": target}
        stream_field = {}
        try:
            creator = self._steerable_creator(target, items)
            stream_field = _stream_id_field(creator)
            steer["id"] = message.call.store._new_id("steer_")
            self.pending_steers[target] = await self._apply_steer(message, creator, steer, items)
        except _ServiceError as service_error:
            error = {key: service_error.envelope[key] for key in ("type", "code", "message")}
            failed_steer = steer | {"input": message.body["input"]}
            return [_steer_event("failed", failed_steer, error=error) | stream_field]
        return [_steer_event("accepted", steer) | stream_field]

    async def _apply_steer(
        self, message: _ClientMessage, creator: _ClientMessage, steer: _JSON, items: list[_JSON]
    ) -> list[_JSON]:
        """Create another response to the input. After tool calls, queue the input until the client sends their outputs.

        Return the events to send after the response that is steered.
        """
        target = steer["previous_response_id"]
        response = message.call.store["responses"][target]
        required = [_build_tool_output_stub(item) for item in response["output"] if _needs_output(item)]
        if required:
            self._queue_input(target, items)
            return [_steer_event("pending", steer, reason="waiting_for_required_input", required_input=required)]
        following = message.with_body({**creator.body, "input": items, "previous_response_id": target})
        self.send(self._track(following, await _answer_as_events(following)), following)
        return []

    def _add_stream_id(self, message: _ClientMessage) -> None:
        """Add the stream of a message to those of the connection. Raise the error of an invalid one, or of one too many."""
        stream_id = message.body.get("stream_id")
        if stream_id is None:
            return
        if not isinstance(stream_id, str) or not re.fullmatch(r"[\w.-]{1,256}", stream_id, re.ASCII):
            requirement = "expected 1 to 256 letters, digits, underscores, hyphens or periods"
            _reject(f"Invalid 'stream_id': {requirement}.", "stream_id", "invalid_stream_id")
        if stream_id not in self.stream_ids and len(self.stream_ids) == _MAX_STREAM_IDS:
            limit = f"A connection can have at most {_MAX_STREAM_IDS} distinct values of 'stream_id'."
            _reject(limit, "stream_id", "websocket_stream_limit_reached")
        self.stream_ids.add(stream_id)

    def _track(self, message: _ClientMessage, events: Iterator[tuple[float, Any]]) -> Iterator[Any]:
        """Yield the events of a response, and record whether the response is in progress."""
        response_id = None
        for delay, event in events:
            response = _get_dict(event, "response") if isinstance(event, dict) else {}
            if response:
                response_id = response["id"]
                in_progress = response["status"] in ("queued", "in_progress")
                self.creators[response_id] = message if in_progress else None
            yield delay, event
        if response_id:
            self.creators[response_id] = None
            yield from self.pending_steers.pop(response_id, ())

    def _queue_input(self, response_id: str, items: Iterable[_JSON]) -> None:
        self.queued_input.setdefault(response_id, []).extend(items)

    def _creating_message(self, response_id: str, param: str) -> _ClientMessage:
        """Return the client's message that created a response in progress.

        Raise the error of a response that is complete, whose entry is None, or unknown on this connection.
        param: the parameter with the ID, for the error.
        """
        creator = self.creators.get(response_id)
        if creator is None:
            code = "response_already_completed" if response_id in self.creators else "response_not_found"
            _reject(f"Response '{response_id}' is not in progress on this connection.", param, code)
        return creator

    def _steerable_creator(self, response_id: str, items: list[_JSON]) -> _ClientMessage:
        """Return the message that created a response. Raise the error of a response that cannot be steered."""
        creator = self._creating_message(response_id, "previous_response_id")
        if response_id in self.pending_steers:
            _reject(f"Response '{response_id}' is being steered.", "previous_response_id", "too_many_pending_steers")
        if response_id not in creator.call.store["responses"] or _conversation_id(creator.call):
            message = f"Response '{response_id}' cannot be steered."
            _reject(message, "previous_response_id", "steering_not_supported")
        if not items or any(item.get("role") != "user" for item in items):
            _reject("Only user messages can steer a response.", "input", "invalid_input")
        return creator


def _warm_up(message: _ClientMessage) -> Iterator[tuple[float, Any]]:
    """Store a response without output, and return its events. A later response can continue it.

    No model generates output, so what the test set for the endpoint does not apply: no step of a list is used up, and no
    callable is called.
    """
    call = message.call
    with call.store.lock:
        _check_request(call)
        script = _prepare(call.row, {"output": []})
        response = _store_answer(call, _compose(call, script), script)
        return _lazy_event_stream(call, response, script.pace).timed_messages()


def _stream_id_field(message: _ClientMessage) -> dict[str, str]:
    """Return a dict with the `stream_id` of a message, which is empty if the message has none."""
    stream_id = message.get_str("stream_id")
    return {"stream_id": stream_id} if stream_id else {}


def _steer_event(name: str, steer: _JSON, **fields: Any) -> _JSON:
    return {"type": f"response.steer.{name}", "sequence_number": 0, "steer": steer, **fields}


def _build_tool_output_stub(item: Mapping[str, Any]) -> _JSON:
    """Return the fields of the output of a tool call that are known before the client sends it."""
    stub = {"type": _TOOL_CALL_TYPES[item["type"]].output_types[0], "call_id": item["call_id"]}
    if item["type"] == "function_call":
        stub["name"] = item["name"]
    elif item["type"] == "tool_search_call":
        stub["execution"] = "client"
    return stub


# ---- rows of this API ------------------------------------------------------------------------------------------------


_WEB_SEARCH_PREVIEW_DEFAULTS = {
    "search_context_size": "medium",
    "user_location": {"country": "US"},
}
_WEB_SEARCH_DEFAULTS = _WEB_SEARCH_PREVIEW_DEFAULTS | {
    "return_token_budget": "default",
    "search_content_types": ["text"],
}
_EMPTY_PARAMETERS: _JSON = {
    "type": "object",
    "properties": {},
}
_ITEM_TYPES: dict[str, _ItemType] = {
    "additional_tools": _ItemType(
        id_prefix="at_",
        models={"AdditionalTools": {"role": "developer"}},
    ),
    "apply_patch_call": _ItemType(
        id_prefix="apc_",
        models={"ResponseApplyPatchToolCall": {}},
        events=(_diff_events,),
        initial={"operation": {"diff": ""}},
    ),
    "apply_patch_call_output": _ItemType(
        id_prefix="apco_",
        models={"ResponseApplyPatchToolCallOutput": {}},
    ),
    "code_interpreter_call": _ItemType(
        id_prefix="ci_",
        models={
            "ResponseCodeInterpreterToolCall": {
                "code": "print(42)",
                "outputs": None,
            }
        },
        events=("in_progress", _StreamedField("code"), "interpreting", "completed"),
        request_fields=_code_outputs,
    ),
    "compaction": _ItemType(
        id_prefix="cmp_",
        models={"ResponseCompactionItem": {}},
    ),
    "computer_call": _ItemType(
        id_prefix="cu_",
        models={"ResponseComputerToolCall": {}},
        request_fields=_computer_actions,
    ),
    "custom_tool_call": _ItemType(
        id_prefix="ctc_",
        models={
            "ResponseCustomToolCall": {},
            "ResponseCustomToolCallItem": {},
        },
        events=(_StreamedField("input"),),
        request_fields=_called_namespace,
    ),
    "file_search_call": _ItemType(
        id_prefix="fs_",
        models={
            "ResponseFileSearchToolCall": {
                "queries": [],
                "results": None,
            }
        },
        events=("in_progress", "searching", "completed"),
        initial={
            "queries": [],
            "results": None,
        },
        request_fields=_file_search_fields,
    ),
    "function_call": _ItemType(
        id_prefix="fc_",
        models={
            "ResponseFunctionToolCall": {},
            "ResponseFunctionToolCallItem": {},
        },
        events=(_StreamedField("arguments"),),
        request_fields=_function_call_fields,
    ),
    "function_call_output": _ItemType(
        id_prefix="fco_",
        models={"ResponseFunctionToolCallOutputItem": {}},
    ),
    "image_generation_call": _ItemType(
        id_prefix="ig_",
        models={
            "ImageGenerationCall": {
                **_IMAGE_DEFAULTS,
                "revised_prompt": _DEFAULT_TEXT,
            },
        },
        events=("in_progress", "generating", _partial_images, "completed"),
        initial={"result": None},
        tool="image_generation",
        tool_fields=("action", *_IMAGE_DEFAULTS),
        request_fields=_image_result,
    ),
    "local_shell_call": _ItemType(
        id_prefix="lsh_",
        models={
            "LocalShellCall": {},
            "LocalShellCallAction": {"command": ["ls"]},
        },
    ),
    "mcp_approval_request": _ItemType(
        id_prefix="mcpr_",
        models={"McpApprovalRequest": {}},
        tool="mcp",
        tool_fields=("server_label",),
    ),
    "mcp_call": _ItemType(
        id_prefix="mcp_",
        models={
            "McpCall": {
                "approval_request_id": None,
                "error": None,
                "output": _DEFAULT_TEXT,
            }
        },
        events=("in_progress", _StreamedField("arguments"), "completed"),
        tool="mcp",
        tool_fields=("server_label",),
        request_fields=_mcp_approval_fields,
    ),
    "mcp_list_tools": _ItemType(
        id_prefix="mcpl_",
        models={
            "McpListTools": {"tools": [{}]},
            "McpListToolsTool": {
                "annotations": {"read_only": False},
                "description": _DEFAULT_TEXT,
                "input_schema": _EMPTY_PARAMETERS,
            },
        },
        events=("in_progress", "completed"),
        tool="mcp",
        tool_fields=("server_label",),
    ),
    "message": _ItemType(
        id_prefix="msg_",
        models={
            "ResponseOutputMessage": {"content": [{"type": "output_text"}]},
            "ResponseInputMessageItem": {},
            "ResponseOutputText": {"logprobs": []},
            "AnnotationFileCitation": {"filename": ""},
        },
        events=(_message_events,),
        initial={"content": []},
        request_fields=_message_fields,
    ),
    "program": _ItemType(
        id_prefix="cm_",
        models={"Program": {}},
        initial={"code": ""},
    ),
    "program_output": _ItemType(
        id_prefix="cmo_",
        models={"ProgramOutput": {}},
        initial={"result": ""},
    ),
    "reasoning": _ItemType(
        id_prefix="rs_",
        models={
            "ResponseReasoningItem": {
                "status": ...,
                "content": [],
                "encrypted_content": "gAAAAABmock",
            }
        },
        events=(_reasoning_events,),
        initial={
            "content": [],
            "summary": [],
        },
        request_fields=_reasoning_summary,
    ),
    "shell_call": _ItemType(
        id_prefix="sh_",
        models={
            "ResponseFunctionShellToolCall": {
                "action": {
                    "commands": ["ls"],
                    "max_output_length": None,
                    "timeout_ms": None,
                },
                "environment": {"type": "container_reference"},
            },
        },
        events=(_command_events,),
        initial={"action": {"commands": []}},
    ),
    "shell_call_output": _ItemType(
        id_prefix="sho_",
        models={
            "ResponseFunctionShellToolCallOutput": {
                "max_output_length": None,
                "output": [{"stdout": _DEFAULT_TEXT}],
            },
        },
        events=(_command_output_events,),
        initial={"output": []},
    ),
    "tool_search_call": _ItemType(
        id_prefix="tsc_",
        models={
            "ResponseToolSearchCall": {
                "arguments": {"paths": []},
                "call_id": None,
            }
        },
        initial={"arguments": {}, "status": "in_progress"},
        tool="tool_search",
        tool_fields=("execution",),
        request_fields=_tool_search_arguments,
    ),
    "tool_search_output": _ItemType(
        id_prefix="tso_",
        models={"ResponseToolSearchOutputItem": {"call_id": None}},
        initial={"status": "in_progress"},
        tool="tool_search",
        tool_fields=("execution",),
        request_fields=_tool_search_result,
    ),
    "web_search_call": _ItemType(
        id_prefix="ws_",
        models={
            "ResponseFunctionWebSearch": {},
            "ActionSearch": {
                "query": _DEFAULT_TEXT,
                "queries": [_DEFAULT_TEXT],
            },
        },
        events=("in_progress", "searching", "completed"),
        request_fields=_web_search_fields,
    ),
}


_extend_table(
    _NOT_ECHOED,
    {
        "FunctionTool": {"description": ""},
        "ImageGeneration": dict.fromkeys(("action", "input_fidelity", "input_image_mask"), ...),
        "WebSearchTool": {"external_web_access": ...},
    },
)


for _item_type in _ITEM_TYPES.values():
    _extend_table(_ID_PREFIXES, dict.fromkeys(_item_type.models, _item_type.id_prefix))
    _extend_table(_DEFAULTS_BY_SDK_MODEL, _item_type.models)


_extend_table(
    _RESOURCES,
    {
        "conversations": {"not_found_message": "Conversation with id '{id}' not found."},
        "conversations.items": {"not_found_message": "Item with id '{id}' not found."},
        "responses": {
            "not_found_message": "Response with id '{id}' not found.",
            "not_found_param": None,
        },
    },
)


_extend_table(
    _ID_PREFIXES,
    {
        "CompactedResponse": "resp_",
        "Conversation": "conv_",
        "Message": "msg_",
        "ConversationItem": "item_",
        "Response": "resp_",
    },
)


_extend_table(
    _DEFAULTS_BY_SDK_MODEL,
    {
        "FileSearchTool": {
            "filters": None,
            "max_num_results": 20,
            "ranking_options": {
                "ranker": "auto",
                "score_threshold": 0.0,
            },
        },
        "FunctionTool": {
            "description": None,
            "strict": True,
            "output_schema": None,
        },
        "ImageGeneration": {
            "background": "auto",
            "moderation": "auto",
            "n": 1,
            "output_compression": 100,
            "output_format": "png",
            "quality": "auto",
            "size": "auto",
        },
        "Mcp": {
            "allowed_tools": None,
            "headers": None,
            "require_approval": "always",
            "server_description": None,
        },
        "Reasoning": {
            "effort": None,
            "summary": None,
        },
        "ResponseFormatTextJSONSchemaConfig": {
            "description": None,
            "strict": True,
        },
        "ResponseTextConfig": {
            "format": {"type": "text"},
            "verbosity": "medium",
        },
        "UserLocation": {
            "type": "approximate",
            "city": None,
            "country": None,
            "region": None,
            "timezone": None,
        },
        "WebSearchPreviewTool": _WEB_SEARCH_PREVIEW_DEFAULTS,
        "WebSearchTool": _WEB_SEARCH_DEFAULTS,
        "CompactedResponse": {
            "output": [
                {
                    "type": "compaction",
                    "encrypted_content": "mock",
                }
            ]
        },
        "Conversation": {"metadata": {}},
        "ConversationItemList": {
            "first_id": "",
            "last_id": "",
        },
        "Response": {
            "output": [{"type": "message"}],
            "usage": {},
            "metadata": {},
            "temperature": 1.0,
            "top_p": 1.0,
            "truncation": "disabled",
            "text": {},
            "reasoning": {},
            "top_logprobs": 0,
            "frequency_penalty": 0.0,
            "presence_penalty": 0.0,
            "store": True,
            "prompt_cache_retention": "in_memory",
            "tool_usage": {
                "image_gen": {
                    "input_tokens": 0,
                    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
                    "output_tokens": 0,
                    "output_tokens_details": {"image_tokens": 0, "text_tokens": 0},
                    "total_tokens": 0,
                },
                "web_search": {"num_requests": 0},
            },
            "background": False,
            "service_tier": "default",
            "completed_at": _Timestamp(),
        },
        # the output of one command of a shell; the event for its end has a model of the same name
        "responses.Output": {"outcome": {"type": "exit", "exit_code": 0}, "stderr": "", "stdout": ""},
        "beta.Output": {"outcome": {"type": "exit", "exit_code": 0}, "stderr": "", "stdout": ""},
    },
)


_extend_table(
    _IMPLIED_FIELDS,
    {
        "ActionSearch": _implied_by_search,
        "Response": _implied_by_response,
    },
)


_extend_table(
    _TURN_CONVERTERS,
    {
        "beta.BetaResponse": _turn_to_response,
        "responses.Response": _turn_to_response,
    },
)


# The behavior of `responses.create`, the same over HTTP and over a WebSocket.
_RESPONSE_BEHAVIOR = _Behavior(
    is_generated=True,
    references={"conversation": "conversations"},
    check=_check_response,
    strict_check=_check_response_strictly,
    requested_fields=_list_tools,
    derive=_derive_response,
    store=_store_response,
    events=_response_stream,
    get_messages=_conversation_items,
)


_extend_table(
    _BEHAVIORS,
    {
        "conversations.create": _Behavior(
            check=_check_new_items,
            strict_check=_check_items,
            store=_store_conversation,
            input_param="items",
        ),
        "conversations.items.create": _Behavior(
            check=_check_new_items,
            strict_check=_check_items,
            derive=lambda call, page: {"data": call.input_items},
            store=_store_page_items,
            input_param="items",
            stores_answer=False,
        ),
        "conversations.items.delete": _Behavior(handler=_delete_conversation_item),
        "responses.cancel": _Behavior(handler=_cancel_response),
        "responses.compact": _Behavior(
            is_generated=True,
            check=_check_response,
            strict_check=_check_items,
            derive=_derive_compaction,
        ),
        "responses.connect": dataclasses.replace(_RESPONSE_BEHAVIOR, fallback_to="responses.create"),
        "responses.create": _RESPONSE_BEHAVIOR,
        "responses.input_items.list": _Behavior(handler=_list_input_items),
        "responses.input_tokens.count": _Behavior(
            references={"conversation": "conversations"},
            check=_check_response,
            strict_check=_check_items,
            derive=lambda call, obj: {"input_tokens": _count_prompt_tokens(call)},
            get_messages=_conversation_items,
        ),
        "responses.retrieve": _Behavior(events=_response_stream),
    },
)


# The message for a value that only other models accept. In chat it is `_UNSUPPORTED_VALUE`.
_UNSUPPORTED_VALUE_OF_MODEL = (
    "Unsupported value: {value!r} is not supported with the '{model}' model. Supported values are: {accepted}."
)
_RESPONSE_MODEL_RULES = (
    _ModelRule(
        param="temperature",
        message=_UNSUPPORTED_PARAM,
        reasoning=("on",),
        accepted=(1,),
    ),
    _ModelRule(
        param="top_p",
        message=_UNSUPPORTED_PARAM,
        reasoning=("on",),
        accepted=(0.98, 1),
    ),
    _ModelRule(
        param="include[]",
        message="logprobs are not supported with reasoning models.",
        reasoning=("on",),
        rejected=("message.output_text.logprobs",),
        error_param="include",
    ),
    _ModelRule(
        param="top_logprobs",
        message="logprobs are not supported with reasoning models.",
        reasoning=("on",),
        accepted=(0,),
    ),
    _ModelRule(
        param="include[]",
        message="Encrypted content is not supported with this model.",
        code=None,
        reasoning=("never",),
        rejected=("reasoning.encrypted_content",),
        error_param="include",
    ),
    _ModelRule(
        param="reasoning.effort",
        message=_UNSUPPORTED_PARAM,
        reasoning=("never",),
    ),
    _ModelRule(
        param="reasoning.summary",
        message=_UNSUPPORTED_PARAM,
        reasoning=("never",),
    ),
    _ModelRule(
        param="reasoning.effort",
        message=_UNSUPPORTED_VALUE_OF_MODEL,
        code="unsupported_value",
        reasoning=("on", "off"),
        accepted_field="efforts",
    ),
    _ModelRule(
        param="text.verbosity",
        message=_UNSUPPORTED_VALUE_OF_MODEL,
        code="unsupported_value",
        reasoning=_OF_ANY_FAMILY,
        accepted_field="verbosities",
    ),
    _ModelRule(
        param="text.format.type",
        message="Invalid parameter: '{parent}' of type {value!r} is not supported with model version `{model}`.",
        code=None,
        models=_MODELS_WITHOUT_SCHEMAS,
        rejected=("json_schema",),
        error_param="{parent}",
    ),
    _ModelRule(
        param="text.format.type",
        message="Invalid parameter: '{parent}' of type {value!r} is not supported with model version `{model}`.",
        code=None,
        models=_MODELS_WITHOUT_JSON_MODE,
        rejected=("json_object",),
        error_param="{parent}",
    ),
)


_extend_table(
    _MODEL_RULES,
    {
        "responses.connect": _RESPONSE_MODEL_RULES,
        "responses.create": _RESPONSE_MODEL_RULES,
    },
)


_extend_table(
    _SOCKET_SESSIONS,
    {
        "beta.responses.connect": _ResponsesSession,
        "responses.connect": _ResponsesSession,
    },
)


# ======================================================================================================================
# CHAT AND COMPLETIONS
# ======================================================================================================================


def _check_tool_messages(call: _Call) -> None:
    """Tool messages must answer tool calls of earlier messages. Each call must be answered before the next message."""
    tracker = _CallTracker()
    messages = _request_messages(call)
    for index, message in enumerate(messages):
        if message.get("role") == "tool":
            if tracker.answer(message.get("tool_call_id")) is None:
                _reject(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceding message with "
                    f"'tool_calls': unknown tool_call_id '{message.get('tool_call_id')}'.",
                    f"messages.[{index}].tool_call_id",
                )
            continue
        if tracker.unanswered:
            _reject_unanswered(tracker, index)
        for tool_call in _only_dicts(message.get("tool_calls")):
            tracker.add(tool_call.get("id"), tool_call)
    if tracker.unanswered:
        _reject_unanswered(tracker, len(messages) - 1)


def _reject_unanswered(tracker: _CallTracker, index: int) -> typing.NoReturn:
    """Raise the 400 of tool calls without tool messages.

    index: the position of the message that came instead, or of the last message if none came.
    """
    call_ids = ", ".join(str(call_id) for call_id in tracker.unanswered)
    _reject(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        f"The following tool_call_ids did not have response messages: {call_ids}",
        f"messages.[{index}].role",
    )


# Models that search the web, and models that hear and speak.
_SEARCH_MODELS = r"gpt-4o(-mini)?-search|gpt-5-search"
_AUDIO_MODELS = r"gpt-4o(-mini)?-audio|gpt-audio"


def _check_chat_strictly(call: _Call) -> None:
    """Tool choice, messages and JSON mode must fit the rest of the request, and an audio model must have audio."""
    _check_chat_tool_choice(call)
    _check_token_params(call)
    _check_search_params(call)
    _check_messages(call)
    _check_chat_audio(call)
    output_format = _get_dict(call.body, "response_format")
    if output_format.get("type") == "json_object" and "json" not in _extract_text(_request_messages(call)).lower():
        message = (
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        )
        _reject(message, "messages")


# Parameters about tools, and the parameter with the tools.
_PARAMS_ABOUT_TOOLS = {
    "function_call": "functions",
    "parallel_tool_calls": "tools",
    "tool_choice": "tools",
}


def _check_chat_tool_choice(call: _Call) -> None:
    """Parameters about tools need tools, and a tool that must be called must be one of them."""
    for param, tools_param in _PARAMS_ABOUT_TOOLS.items():
        if call.body.get(param) not in (None, "none") and not call.body.get(tools_param):
            message = f"Invalid value for '{param}': '{param}' is only allowed when '{tools_param}' are specified."
            _reject(message, param)

    choice = _get_dict(call.body, "tool_choice")
    choices = [choice]
    if choice.get("type") == "allowed_tools":
        choices = _only_dicts(_get_dict(choice, "allowed_tools").get("tools"))
    for choice in choices:
        tool_type = str(choice.get("type"))
        names = [name for name, _ in _offered_tools(call.body, (tool_type,))]
        _check_name_offered("tool_choice", _get_dict(choice, tool_type).get("name"), names, "tools")

    functions = [function.get("name") for function in _only_dicts(call.body.get("functions"))]
    _check_name_offered("function_call", _get_dict(call.body, "function_call").get("name"), functions, "functions")


def _check_token_params(call: _Call) -> None:
    """Only one parameter may limit the tokens, and the keys of a logit bias must be the numbers of tokens."""
    if call.body.get("max_tokens") is not None and call.body.get("max_completion_tokens") is not None:
        message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        _reject(message, "max_tokens", "invalid_parameter_combination")
    for token in _get_dict(call.body, "logit_bias"):
        if not re.fullmatch("[0-9]+", token):
            message = f"Invalid key in 'logit_bias': {token}. You should only be submitting non-negative integers."
            _reject(message, "logit_bias")


def _check_name_offered(param: str, name: Any, names: Sequence[Any], tools_param: str) -> None:
    """The function that must be called must be one of those in the request."""
    if name is not None and name not in names:
        message = (
            f"Invalid value for '{param}': no function named {name} was specified in the '{tools_param}' parameter."
        )
        _reject(message, param)


# Parameters that models which search the web don't accept.
_SAMPLING_PARAMS = (
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "n",
    "parallel_tool_calls",
    "presence_penalty",
    "temperature",
    "top_logprobs",
    "top_p",
)


def _check_search_params(call: _Call) -> None:
    """A model that searches the web accepts no parameters for sampling. The error names them all."""
    if not re.match(_SEARCH_MODELS, _model_of(call)):
        return
    names = [name for name in _SAMPLING_PARAMS if call.body.get(name) is not None]
    if names:
        noun = "argument" if len(names) == 1 else "arguments"
        _reject(f"Model incompatible request {noun} supplied: {', '.join(names)}")


def _check_chat_audio(call: _Call) -> None:
    """Input or output of an audio model must have audio."""
    if not re.match(_AUDIO_MODELS, _model_of(call)):
        return
    has_output = "audio" in (call.body.get("modalities") or ())
    has_input = any(value == "input_audio" for _, value in _values_at(call.body, "messages[].content[].type"))
    if not has_output and not has_input:
        message = "This model requires that either input content or output modality contain audio."
        _reject(message, "model", "invalid_value")


# What an assistant's message may have instead of content.
_CONTENT_SUBSTITUTES = {"audio", "function_call", "refusal", "tool_calls"}


def _check_messages(call: _Call) -> None:
    """Messages must have content, except an assistant's with calls and the like. Files must be PDF."""
    for path, message in _values_at(call.body, "messages[]"):
        if not isinstance(message, dict) or message.get("content") is not None:
            continue
        role = message.get("role")
        has_substitute = any(message.get(key) for key in _CONTENT_SUBSTITUTES)
        is_empty_assistant = role == "assistant" and not has_substitute
        has_null = role in ("developer", "system", "tool", "user") and "content" in message
        if is_empty_assistant or has_null:
            _reject("Invalid value for 'content': expected a string, got null.", f"messages.[{path[-1]}].content")

    for path, file in _values_at(call.body, "messages[].content[].file"):
        if not isinstance(file, dict):
            continue
        if file.get("file_id") is None and file.get("file_data") is None:
            _Flaw((*path, "file_id"), "missing_required_parameter").reject()
        suffix = _file_suffix(call, file)
        if suffix not in ("", ".pdf"):
            _reject_file_type(suffix, (".pdf",), "messages")


def _derive_chat(call: _Call, obj: _JSON) -> _JSON:
    """Return the fields of a chat completion that follow from its request, its model and its choices."""
    choices = _repeat_choices(obj["choices"], call.get_int("n", 1))
    if choices is not obj["choices"]:
        for choice in choices[1:]:  # the copies have the call ids of the first choice
            for tool_call in choice["message"].get("tool_calls") or ():
                tool_call["id"] = call.store._new_id("call_")

    model = str(obj["model"])
    fields = _chat_usage(call, obj, choices)
    if fields and re.match(_NEWEST_MODELS, model):
        fields["usage"]["prompt_tokens_details"] = {**fields["usage"]["prompt_tokens_details"], "cache_write_tokens": 0}
    if fields and "audio" in model:
        fields["usage"] |= _usage_details_by_modality(fields["usage"])
    fields |= _defaults_for_model(_CHAT_DEFAULTS_BY_MODEL, model)
    if "metadata" in obj:
        fields["metadata"] = None  # only the stored completion has the metadata of the request
    if obj.get("moderation"):
        fields["moderation"] = _derive_chat_moderation(call, choices)
    fields |= _prompt_filter_fields(call)
    final_choices = [_finalize_choice(call, choice) for choice in choices]
    if final_choices != obj["choices"]:
        fields["choices"] = final_choices
    return fields


def _chat_usage(call: _Call, obj: _JSON, choices: Iterable[_JSON]) -> _JSON:
    """Return the usage of a chat completion as a field, empty if it doesn't have any.

    The completion tokens are those of the choices, and those for reasoning, which is not visible in a choice.
    """
    details = (obj.get("usage") or {}).get("completion_tokens_details") or {}
    reasoning_tokens = details.get("reasoning_tokens") or 0
    visible_tokens = sum(_count_tokens(_output_text_of_message(choice["message"])) for choice in choices)
    return _usage_field(
        obj,
        prompt_tokens=_count_tokens(_extract_text(call.body.get("messages"))),
        completion_tokens=reasoning_tokens + visible_tokens,
    )


def _derive_chat_moderation(call: _Call, choices: Iterable[_JSON]) -> _JSON:
    """Return the moderation of the messages of a chat and of its choices: lists of one result each."""
    output = [choice["message"] for choice in choices]
    moderation: _JSON = {}
    for side, result in _moderate_sides(call, call.body.get("messages"), output).items():
        moderation[side] = {"model": result["model"], "results": [result], "type": "moderation_results"}
    return moderation


def _output_text_of_message(message: Mapping[str, Any]) -> str:
    """Return all output of the model in a message: content, refusal, transcript, and the arguments of tool calls."""
    texts = [
        message.get("content"),
        message.get("refusal"),
        _get_dict(message, "audio").get("transcript"),
    ]
    for tool_call in message.get("tool_calls") or ():
        tool = tool_call.get("function") or tool_call.get("custom") or {}
        texts.append(tool.get("arguments") or tool.get("input"))
    return "".join(text for text in texts if text)


def _usage_details_by_modality(usage: _JSON) -> _JSON:
    """Return the details of the usage of an audio model, which count all tokens as text tokens."""
    completion_details = usage.get("completion_tokens_details") or {}
    return {
        "prompt_tokens_details": {
            "audio_tokens": 0,
            "cached_tokens": 0,
            "image_tokens": 0,
            "text_tokens": usage["prompt_tokens"],
        },
        "completion_tokens_details": {**completion_details, "text_tokens": usage["completion_tokens"]},
    }


# Defaults of fields of a chat completion that depend on its model. The first row applies whose pattern matches the
# beginning of the model's name.
_CHAT_DEFAULTS_BY_MODEL = (
    (
        r"gpt-.*search",
        {
            "system_fingerprint": "",
            "service_tier": None,
        },
    ),
    (
        rf"gpt-5|gpt-3\.5|gpt-4(?![.o])|o4|{_NEWEST_MODELS}",
        {
            "system_fingerprint": None,
        },
    ),
)


def _repeat_choices(choices: list[_JSON], number: int) -> list[_JSON]:
    """Return a single choice `number` times, as copies with an index. Return several choices as they are."""
    if len(choices) != 1 or number <= 1:
        return choices
    return [{**_copy_json(choices[0]), "index": index} for index in range(number)]


def _finalize_choice(call: _Call, choice: _JSON) -> _JSON:
    """Return a choice with the fields that depend on the request: finish reason, log probabilities, audio, filter."""
    message = choice["message"]
    fields: _JSON = {}
    if choice["finish_reason"] == "tool_calls":
        tool_choice = _get_dict(call.body, "tool_choice")
        if tool_choice.get("type") in ("custom", "function"):  # after a call of the tool that the request names
            fields["finish_reason"] = "stop"

    if call.body.get("logprobs") and not choice.get("logprobs") and not message.get("tool_calls"):
        top = call.get_int("top_logprobs", 0)
        fields["logprobs"] = {
            "content": _fake_logprobs(message.get("content"), top) or None,
            "refusal": _fake_logprobs(message.get("refusal"), top) or None,
        }

    if "audio" in (call.body.get("modalities") or ()):
        transcript = message.get("content") or _get_dict(message, "audio").get("transcript")
        if transcript:
            audio = _spoken_text(call, transcript)
            fields["message"] = message | {"content": None, "audio": audio}

    fields |= _choice_filter_fields(call, choice)
    return choice | fields if fields else choice


def _spoken_text(call: _Call, text: str) -> _JSON:
    """Return the audio of a message: silence in the format that the request asks for, with a text as its transcript."""
    audio_format = _get_dict(call.body, "audio").get("format")
    return {
        "id": call.store._new_id("audio_"),
        "data": base64.b64encode(_silent_audio(audio_format)).decode(),
        "transcript": text,
        "expires_at": int(time.time()) + 3600,
    }


def _store_chat(call: _Call, obj: _JSON, script: _Script) -> None:
    """Store a chat completion and the messages of its request, if the request has `store=True`."""
    if call.body.get("store") not in (True, "true"):
        return
    _store_created(call, obj, script)
    # the service stores the metadata, which the answer to the request lacks, and the usage without its details
    usage = {name: count for name, count in (obj.get("usage") or {}).items() if not name.endswith("_details")}
    call.objects[obj["id"]] = obj | {"metadata": call.body.get("metadata") or {}, "usage": usage}

    for index, message in enumerate(_request_messages(call)):
        message_id = f"{obj['id']}-{index}"
        content = message.get("content")
        stored = message | {
            "content": content,
            "content_parts": None,
            "role": message.get("role"),
            "name": None,
            "id": message_id,
        }
        if isinstance(content, list):
            stored["content"] = _extract_text(content)
            stored["content_parts"] = content
        call.store["chat.completions.messages"][obj["id"], message_id] = stored


def _request_messages(call: _Call) -> list[_JSON]:
    return _only_dicts(call.body.get("messages"))


def _check_best_of(call: _Call) -> None:
    """The service must not return more choices than it generates."""
    count = call.body.get("n") or 1
    best_of = call.body.get("best_of")
    if best_of is not None and count > best_of:
        _reject(
            "You requested that the server return more choices than it will generate (HINT: you must set 'n' (currently "
            f"{count}) to be at most 'best_of' (currently {best_of}), or omit either parameter if you don't specifically "
            "want to use them.)"
        )


def _derive_completion(call: _Call, obj: _JSON) -> _JSON:
    """Return the fields of a completion that follow from its request: usage, choices, content filter."""
    prompts = _completion_prompts(call)
    choices = _repeat_choices(obj["choices"], call.get_int("n", 1) * len(prompts))
    fields = _usage_field(
        obj,
        prompt_tokens=sum(map(_count_prompt, prompts)),
        completion_tokens=sum(_count_tokens(choice["text"]) for choice in choices),
    )
    fields["choices"] = [_finalize_completion_choice(call, choice) for choice in choices]
    return fields | _prompt_filter_fields(call)


def _completion_prompts(call: _Call) -> list[Any]:
    """Return the prompts of a request: a string or a list of tokens each, of which a request has one or several."""
    prompt = call.body.get("prompt") or ""
    if isinstance(prompt, list) and prompt and isinstance(prompt[0], (str, list)):
        return prompt
    return [prompt]


def _count_prompt(prompt: Any) -> int:
    """Return the number of tokens of a prompt: a string, or a list of tokens."""
    return len(prompt) if isinstance(prompt, list) else _count_tokens(prompt)


def _finalize_completion_choice(call: _Call, choice: _JSON) -> _JSON:
    """Return a choice of a completion with the fields that depend on the request: filter and log probabilities."""
    fields = _choice_filter_fields(call, choice)
    if call.body.get("logprobs") is not None and not choice.get("logprobs"):
        fields["logprobs"] = _completion_logprobs(choice["text"], call.get_int("logprobs", 0))
    return choice | fields


def _completion_logprobs(text: str, top: int) -> _JSON:
    """Return the log probabilities of a text in the format of completions: four parallel lists, one entry a token."""
    logprobs: dict[str, list[Any]] = {
        "tokens": [],
        "token_logprobs": [],
        "top_logprobs": [],
        "text_offset": [],
    }
    offset = 0
    for entry in _fake_logprobs(text, top):
        alternatives = {candidate["token"]: candidate["logprob"] for candidate in entry["top_logprobs"]}
        logprobs["tokens"].append(entry["token"])
        logprobs["token_logprobs"].append(entry["logprob"])
        logprobs["top_logprobs"].append(alternatives)
        logprobs["text_offset"].append(offset)
        offset += len(entry["token"])
    return logprobs


def _implied_by_message(message: _JSON, explicit: Mapping[str, Any]) -> _JSON:
    """Return a null content for a message with tool calls or a refusal, instead of the default text."""
    return {"content": None} if explicit.get("tool_calls") or explicit.get("refusal") else {}


def _implied_by_choice(choice: _JSON, explicit: Mapping[str, Any]) -> _JSON:
    """Return the finish reason of a choice whose message has tool calls."""
    message = choice.get("message") or {}
    return {"finish_reason": "tool_calls"} if message.get("tool_calls") else {}


def _turn_to_chat(turn: Turn) -> _JSON:
    """Convert a turn to a partial of `ChatCompletion`. Raises `TypeError` for a citation of a file."""
    message: _JSON = {"content": turn.text}
    if turn.tool_calls:
        message["tool_calls"] = [_chat_tool_call(tool_call) for tool_call in turn.tool_calls]
    if turn.refusal:
        message["refusal"] = turn.refusal
    if turn.citations:
        message["annotations"] = [_url_citation(citation, nested=True) for citation in turn.citations]

    choice: _JSON = {"message": message}
    if turn.stop:
        choice["finish_reason"] = turn.stop

    completion: _JSON = {"choices": [choice]}
    if turn.reasoning:  # a chat completion counts the tokens of reasoning, but doesn't contain the text
        completion["usage"] = {"completion_tokens_details": {"reasoning_tokens": _count_tokens(turn.reasoning)}}
    return completion


def _chat_tool_call(tool_call: ToolCall) -> _JSON:
    """Convert a tool call of a turn to a member of `tool_calls`."""
    tool_type = "custom" if tool_call.custom else "function"
    return {
        "id": tool_call.id or _NewId("call_"),
        "type": tool_type,
        tool_type: _tool_call_fields(tool_call),
    }


def _turn_to_completion(turn: Turn) -> _JSON:
    """Convert a turn to a partial of `Completion`. Raises `TypeError` for a turn that isn't just text."""
    choice = _turn_to_text(turn)
    if turn.stop:
        choice["finish_reason"] = turn.stop
    return {"choices": [choice]}


# ---- stream chunks ---------------------------------------------------------------------------------------------------


def _chat_events(call: _Call, chat: _JSON, chunk: int | None) -> Iterator[_Event]:
    """Yield the chunks of a chat completion, all of one choice before those of the next, and `[DONE]`.

    chunk: the number of characters of each piece of text, or `None` for pieces of one word.
    """
    with_usage = _get_dict(call.body, "stream_options").get("include_usage")
    # `metadata` is never in a chunk; the other keys have another value there, or are in some chunks only
    keys_not_in_each_chunk = ("choices", "metadata", "moderation", "object", "usage", _PROMPT_FILTER_KEY)
    base = {key: value for key, value in chat.items() if key not in keys_not_in_each_chunk}
    base["object"] = "chat.completion.chunk"
    if with_usage:
        base["usage"] = None  # in all chunks but the one with the usage

    if _PROMPT_FILTER_KEY in chat:  # Azure sends the results for the prompt in a chunk before the answer
        empty = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
        yield None, empty | {_PROMPT_FILTER_KEY: chat[_PROMPT_FILTER_KEY]}
    for choice in chat["choices"]:
        for delta, fields in _chat_deltas(choice, chunk):
            chunk_choice = {"index": choice["index"], "delta": delta, "finish_reason": None} | fields
            yield None, base | {"choices": [chunk_choice]}
    if chat.get("moderation"):  # before the usage, because the SDK takes the usage from the last chunk
        yield None, base | {"choices": [], "moderation": chat["moderation"]}
    if with_usage and chat.get("usage"):
        yield None, base | {"choices": [], "usage": chat["usage"]}
    yield None, "[DONE]"


def _chat_deltas(choice: _JSON, chunk: int | None) -> Iterator[tuple[_JSON, _JSON]]:
    """Yield the deltas of a choice: the role, the texts in pieces, the audio, the tool calls, and an empty one.

    With each delta comes a dict of the fields next to it: log probabilities, the results of Azure's content filter, and
    with the last delta the finish reason.
    """
    message = choice["message"]
    logprobs = choice.get("logprobs")
    fields_without_text: _JSON = {"logprobs": None}
    fields_with_text: _JSON = {}
    if _FILTER_KEY in choice:  # Azure's results are in the chunks with text, and empty in all others
        fields_without_text[_FILTER_KEY] = {}
        fields_with_text[_FILTER_KEY] = choice[_FILTER_KEY]

    first_delta = _first_chat_delta(message)
    text_deltas = _chat_text_deltas(message, logprobs, chunk)
    call_deltas = _chat_call_deltas(message, chunk)
    if text_deltas:
        first_logprobs = {"content": [], "refusal": None} if logprobs else None
        yield first_delta, fields_without_text | {"logprobs": first_logprobs}
    else:
        if len(message.get("tool_calls") or ()) == 1:  # the first delta begins the only tool call
            first_delta |= call_deltas.pop(0)
        yield first_delta, fields_without_text | {"logprobs": logprobs}

    for delta, delta_logprobs in text_deltas:
        yield delta, {"logprobs": delta_logprobs} | fields_with_text
    for delta in _chat_audio_deltas(message.get("audio"), chunk):
        yield delta, fields_without_text
    for delta in call_deltas:
        yield delta, fields_without_text
    handled_keys = ("index", "message", "logprobs", _FILTER_KEY)
    final_fields = {key: value for key, value in choice.items() if key not in handled_keys}
    yield {}, fields_without_text | final_fields


def _first_chat_delta(message: _JSON) -> _JSON:
    """Return the first delta of a message: the role, empty texts, and the fields that are not sent in pieces."""
    delta = {"role": message["role"], "content": None, "refusal": None}
    for key, value in message.items():
        if key in ("role", "audio", "tool_calls") or value in (None, []):
            continue
        delta[key] = "" if isinstance(value, str) else value
    return delta


def _chat_text_deltas(message: _JSON, logprobs: _JSON | None, chunk: int | None) -> list[tuple[_JSON, _JSON | None]]:
    """Return the deltas of all texts of a message, each with the log probabilities of its piece of text."""
    deltas: list[tuple[_JSON, _JSON | None]] = []
    for key, text in message.items():
        if key == "role" or not isinstance(text, str):
            continue
        pieces = list(_split_text(text, chunk))
        if logprobs and logprobs.get(key):
            tokens_by_piece = _logprobs_by_piece(pieces, logprobs[key])
            for piece, tokens in zip(pieces, tokens_by_piece, strict=True):
                deltas.append(({key: piece}, logprobs | {key: tokens}))
        else:
            deltas += [({key: piece}, None) for piece in pieces]
    return deltas


def _chat_audio_deltas(audio: _JSON | None, chunk: int | None) -> Iterator[_JSON]:
    """Yield the deltas of the audio of a message: the transcript in pieces, the data, the time when it expires."""
    if not audio:
        return
    parts = [{"transcript": piece} for piece in _split_text(audio["transcript"], chunk)]
    parts.append({"data": audio["data"]})
    parts.append({"expires_at": audio["expires_at"]})
    parts[0] = {"id": audio["id"], **parts[0]}
    for part in parts:
        yield {"audio": part}


def _chat_call_deltas(message: _JSON, chunk: int | None) -> list[_JSON]:
    """Return the deltas of all tool calls of a message."""
    deltas: list[_JSON] = []
    for index, tool_call in enumerate(message.get("tool_calls") or ()):
        for delta in _tool_call_deltas(tool_call, chunk):
            deltas.append({"tool_calls": [{"index": index, **delta}]})
    return deltas


def _tool_call_deltas(tool_call: _JSON, chunk: int | None) -> Iterator[_JSON]:
    """Yield the deltas of a tool call: the call with empty arguments, then the arguments in pieces.

    Arguments are the `input` of a custom tool. The caller adds the call's `index`.
    chunk: the number of characters of a piece, or None for pieces of one word.
    """
    tool_type = tool_call["type"]
    tool = tool_call[tool_type]
    field = "input" if tool_type == "custom" else "arguments"
    call_fields = {key: value for key, value in tool_call.items() if key != tool_type}
    yield {**call_fields, tool_type: tool | {field: ""}}
    for piece in _split_text(tool[field], chunk):
        yield {tool_type: {field: piece}}


def _completion_events(call: _Call, completion: _JSON, chunk: int | None) -> Iterator[_Event]:
    """Yield the chunks of a completion, all of one choice before those of the next, and `[DONE]`.

    chunk: the number of characters of each piece of text, or `None` for pieces of one word.
    """
    with_usage = _get_dict(call.body, "stream_options").get("include_usage")
    base = {key: value for key, value in completion.items() if key not in ("choices", "usage")}
    for choice in completion["choices"]:
        for piece in _split_text(choice["text"], chunk):
            chunk_choice = {"index": choice["index"], "text": piece, "logprobs": None, "finish_reason": None}
            yield None, base | {"choices": [chunk_choice]}
        yield None, base | {"choices": [choice | {"text": ""}]}
    if with_usage and completion.get("usage"):
        yield None, base | {"choices": [], "usage": completion["usage"]}
    yield None, "[DONE]"


# ---- content filters of Azure ----------------------------------------------------------------------------------------


_PROMPT_FILTER_KEY = "prompt_filter_results"
_FILTER_KEY = "content_filter_results"
_PROTECTED_MATERIAL = ("protected_material_code", "protected_material_text")
_HARMS = ("hate", "self_harm", "sexual", "violence")


def _prompt_filter_fields(call: _Call) -> _JSON:
    """Return the results of Azure's content filter for the prompt. Completions of other hosts don't have any."""
    if not call.is_azure:
        return {}
    return {_PROMPT_FILTER_KEY: [{"prompt_index": 0, _FILTER_KEY: _filter_results("jailbreak")}]}


def _choice_filter_fields(call: _Call, choice: Mapping[str, Any]) -> _JSON:
    """Return the results of Azure's content filter for a choice. Choices of other hosts don't have any."""
    if not call.is_azure:
        return {}
    if choice["finish_reason"] == "tool_calls":
        return {_FILTER_KEY: {}}
    harmful = choice["finish_reason"] == "content_filter"
    return {_FILTER_KEY: _filter_results(*_PROTECTED_MATERIAL, harmful=harmful)}


def _filter_results(*detections: str, harmful: bool = False) -> _JSON:
    """Return results of a content filter: the severity of each harm, and for each of `detections` that it is absent.

    harmful: whether the filter found hate.
    """
    results: _JSON = {harm: {"filtered": False, "severity": "safe"} for harm in _HARMS}
    if harmful:
        results["hate"] = {"filtered": True, "severity": "high"}
    for detection in detections:
        results[detection] = {"filtered": False, "detected": False}
    return results


# ---- rows of this API ------------------------------------------------------------------------------------------------


_extend_table(
    _RESOURCES,
    {
        "chat.completions": {
            "paging": ("asc", 20, 100),
            "not_found_message": "Completion {id} not found",
            "not_found_code": "not_found",
        },
    },
)


_extend_table(
    _ID_PREFIXES,
    {
        "ChatCompletion": "chatcmpl-",
        "ChatCompletionMessageCustomToolCall": "call_",
        "ChatCompletionMessageFunctionToolCall": "call_",
        "Completion": "cmpl-",
    },
)


_extend_table(
    _DEFAULTS_BY_SDK_MODEL,
    {
        "FunctionDefinition": {
            "strict": False,
            "parameters": _EMPTY_PARAMETERS,
        },
        "ChatCompletion": {
            "choices": [{}],
            "usage": {},
            "service_tier": "default",
            "system_fingerprint": "fp_44709d6fcb",
        },
        "ChatCompletionMessage": {
            "content": _DEFAULT_TEXT,
            "refusal": None,
            "annotations": [],
        },
        "Choice": {"logprobs": None},
        "Completion": {
            "choices": [{}],
            "usage": {
                "prompt_tokens_details": None,
                "completion_tokens_details": None,
            },
        },
        "CompletionUsage": {
            "prompt_tokens_details": {},
            "completion_tokens_details": {},
        },
        "CompletionChoice": {"logprobs": None},
        "CompletionTokensDetails": {
            "accepted_prediction_tokens": 0,
            "audio_tokens": 0,
            "reasoning_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
        "PromptTokensDetails": {
            "audio_tokens": 0,
            "cached_tokens": 0,
        },
    },
)


_extend_table(
    _IMPLIED_FIELDS,
    {
        "ChatCompletionMessage": _implied_by_message,
        "Choice": _implied_by_choice,
    },
)


_extend_table(
    _TURN_CONVERTERS,
    {
        "chat.ChatCompletion": _turn_to_chat,
        "Completion": _turn_to_completion,
    },
)


_extend_table(
    _BEHAVIORS,
    {
        "chat.completions.create": _Behavior(
            is_generated=True,
            check=_check_tool_messages,
            strict_check=_check_chat_strictly,
            derive=_derive_chat,
            store=_store_chat,
            events=_chat_events,
            get_messages=_request_messages,
        ),
        "completions.create": _Behavior(
            is_generated=True,
            strict_check=_check_best_of,
            derive=_derive_completion,
            events=_completion_events,
        ),
    },
)


_TEXT_ONLY_MODELS = (
    r"gpt-3\.5|gpt-4($|-0314|-0613|-32k|-1106-preview|-0125-preview|-turbo-preview)|o1-(mini|preview)|o3-mini"
)
_CHAT_MODEL_RULES = (
    _ModelRule(
        param="messages[].role",
        message="Unsupported value: '{param}' does not support {value!r} with this model.",
        code="unsupported_value",
        models=r"o1-(mini|preview)",
        rejected=("developer", "system"),
    ),
    _ModelRule(
        param="max_tokens",
        message="Unsupported parameter: '{param}' is not supported with this model. Use 'max_completion_tokens' instead.",
        reasoning=("on", "off"),
    ),
    _ModelRule(
        param="temperature",
        message=_UNSUPPORTED_PARAM,
        models=r"o3-mini",
        accepted=(1,),
    ),
    _ModelRule(
        param="temperature",
        message=_ONLY_DEFAULT_VALUE,
        code="unsupported_value",
        reasoning=("on",),
        accepted=(1,),
    ),
    _ModelRule(
        param="top_p",
        message=_UNSUPPORTED_PARAM,
        reasoning=("on",),
        accepted=(1,),
    ),
    _ModelRule(
        param="frequency_penalty",
        message=_UNSUPPORTED_PARAM,
        reasoning=("on",),
        accepted=(0,),
    ),
    _ModelRule(
        param="presence_penalty",
        message=_UNSUPPORTED_PARAM,
        reasoning=("on",),
        accepted=(0,),
    ),
    _ModelRule(
        param="logprobs",
        message=_UNSUPPORTED_PARAM,
        reasoning=("on",),
        accepted=(False,),
    ),
    _ModelRule(
        param="top_logprobs",
        message=_UNSUPPORTED_PARAM,
        reasoning=("on",),
        accepted=(0,),
    ),
    _ModelRule(
        param="logit_bias",
        message=_UNSUPPORTED_PARAM,
        reasoning=("on",),
        accepted=({},),
    ),
    _ModelRule(
        param="stop",
        message=_UNSUPPORTED_PARAM,
        models=r"o3(?!-mini)|o4|gpt-[5-6]",
        reasoning=("on",),
        accepted=([],),
    ),
    _ModelRule(
        param="parallel_tool_calls",
        message=_UNSUPPORTED_PARAM,
        models=r"o\d",
    ),
    _ModelRule(
        param="tools",
        message=_UNSUPPORTED_PARAM,
        models=r"o1-(mini|preview)",
    ),
    _ModelRule(
        param="reasoning_effort",
        message="Unrecognized request argument supplied: {param}",
        code=None,
        reasoning=("never",),
        error_param=None,
    ),
    _ModelRule(
        param="reasoning_effort",
        message=_UNSUPPORTED_VALUE,
        code="unsupported_value",
        reasoning=("on", "off"),
        accepted_field="efforts",
    ),
    _ModelRule(
        param="reasoning_effort",
        message=(
            "Function tools with reasoning_effort are not supported for {model} in /v1/chat/completions. To use function "
            "tools, use /v1/responses or set reasoning_effort to 'none'."
        ),
        code=None,
        models=r"gpt-5\.([4-9]|\d\d)|gpt-6",
        accepted=("none",),
        with_param="tools",
    ),
    _ModelRule(
        param="verbosity",
        message=_UNSUPPORTED_VALUE,
        code="unsupported_value",
        reasoning=_OF_ANY_FAMILY,
        accepted_field="verbosities",
    ),
    _ModelRule(
        param="response_format.type",
        message=_UNSUPPORTED_SCHEMA,
        code=None,
        models=_MODELS_WITHOUT_SCHEMAS,
        rejected=("json_schema",),
        error_param=None,
    ),
    _ModelRule(
        param="response_format.type",
        message="Invalid parameter: '{parent}' of type {value!r} is not supported with this model.",
        code=None,
        models=_MODELS_WITHOUT_JSON_MODE,
        rejected=("json_object",),
        error_param="{parent}",
    ),
    _ModelRule(
        param="web_search_options",
        message="Web search options not supported with this model.",
        code=None,
        models=rf"(?!{_SEARCH_MODELS})",
        reasoning=_OF_ANY_FAMILY,
    ),
    _ModelRule(
        param="modalities[]",
        message="Unsupported value: 'modalities' does not support {value!r} with this model.",
        code="unsupported_value",
        models=rf"(?!{_AUDIO_MODELS})",
        reasoning=_OF_ANY_FAMILY,
        rejected=("audio",),
        error_param="modalities",
    ),
    _ModelRule(
        param="messages[].content[].type",
        message="Invalid content type. image_url is only supported by certain models.",
        code=None,
        models=_TEXT_ONLY_MODELS,
        rejected=("image_url",),
        error_param="{dotted_param}",
    ),
    _ModelRule(
        param="messages[].content[].type",
        message="Invalid '{message}'. Content blocks are expected to be either text or image_url type.",
        code="invalid_value",
        models=rf"(?!{_AUDIO_MODELS})",
        reasoning=_OF_ANY_FAMILY,
        rejected=("input_audio",),
        error_param="{message}",
    ),
)


# The number of tokens that models generate at most, for models that are known to have one.
_MAX_COMPLETION_TOKENS = {
    r"gpt-3\.5-turbo|gpt-4-turbo|gpt-4-(0125|1106)|gpt-4o-2024-05-13": 4096,
    r"gpt-4($|-0314|-0613)": 8192,
    r"gpt-4o(?!-2024-05-13)|gpt-audio|chatgpt-4o|gpt-5(\.\d+)?-chat": 16_384,
    r"gpt-4\.1|o1-preview": 32_768,
    r"o1-mini": 65_536,
    r"o1(?!-(mini|preview))|o3|o4": 100_000,
    r"gpt-5(?!(\.\d+)?-chat)": 128_000,
}


def _token_limit_rules() -> Iterator[_ModelRule]:
    """Yield the rules of the tokens that models generate at most."""
    for models, maximum in _MAX_COMPLETION_TOKENS.items():
        for param in ("max_tokens", "max_completion_tokens"):
            yield _ModelRule(
                param=param,
                message=(
                    "max_tokens is too large: {value}. This model supports at most {maximum} completion tokens, whereas "
                    "you provided {value}."
                ),
                code="invalid_value",
                models=models,
                maximum=maximum,
                error_param="max_tokens",
            )


_extend_table(_MODEL_RULES, {"chat.completions.create": (*_CHAT_MODEL_RULES, *_token_limit_rules())})


# ======================================================================================================================
# ASSISTANTS: threads, messages, runs
# ======================================================================================================================


def _store_assistant(call: _Call, obj: _JSON, script: _Script) -> None:
    _store_created(call, obj, script)
    _create_tool_resources(call.store, obj, call.body, script)


def _derive_assistant(call: _Call, obj: _JSON) -> _JSON:
    """Return an empty list of files for the code interpreter, if the assistant has that tool and no files for it."""
    tool_types = [tool.get("type") for tool in _only_dicts(call.body.get("tools"))]
    if "code_interpreter" not in tool_types:
        return {}
    tool_resources = obj.get("tool_resources") or {}
    return {"tool_resources": {"code_interpreter": {"file_ids": []}} | tool_resources}


def _store_thread(call: _Call, obj: _JSON, script: _Script) -> None:
    _store_created(call, obj, script)
    _initialize_thread(call.store, obj, call.body, script)


def _retrieve_thread(call: _Call) -> _JSON:
    """Return a stored thread. If it has no files, the answer has an empty list of files for the code interpreter.

    The service shows that list when a thread is retrieved, not when it is created.
    """
    thread = _handle_retrieve(call)
    tool_resources = thread.get("tool_resources") or {"code_interpreter": {"file_ids": []}}
    return thread | {"tool_resources": tool_resources}


def _derive_message(call: _Call, message: _JSON) -> _JSON:
    if "content" not in call.body:
        return {}
    return {"content": _to_content_blocks(call.body["content"])}


def _store_message(call: _Call, obj: _JSON, script: _Script) -> None:
    _store_created(call, obj, script)
    _attach_files(call.store, call.parent_ids[0], call.body)


def _update_message(call: _Call) -> _JSON:
    """Update a message and return it with `file_ids` instead of `attachments`.

    The service still answers this call in the format of the first version of the API.
    """
    message = {name: value for name, value in _handle_update(call).items() if name != "attachments"}
    message["file_ids"] = []
    return message


def _new_thread_messages(call: _Call) -> list[_JSON]:
    thread = call.body.get("thread") or {}
    return [*_only_dicts(thread.get("messages")), *_only_dicts(call.body.get("additional_messages"))]


def _messages_with_tool_outputs(call: _Call) -> list[_JSON]:
    """Return the messages of the thread, and after them the tool outputs of the request as items."""
    outputs = _only_dicts(call.body.get("tool_outputs"))
    output_items = [{"type": "function_call_output", **output} for output in outputs]
    return [*_thread_messages(call), *output_items]


def _thread_messages(call: _Call) -> list[_JSON]:
    stored = _load_child_objects(call.store, "beta.threads.messages", call.params["thread_id"])
    return [*stored, *_only_dicts(call.body.get("additional_messages"))]


# The fields that a run has from its assistant if its own request does not set them.
_INHERITED_FIELDS = ("model", "instructions", "tools", "temperature", "top_p", "response_format")


def _derive_run(call: _Call, obj: _JSON) -> _JSON:
    """Return the fields inherited from the assistant, and the instructions with any `additional_instructions`."""
    assistant = call.store["beta.assistants"].get(call.body.get("assistant_id"), {})
    derived = {}
    for field in _INHERITED_FIELDS:
        if call.body.get(field) is None and assistant.get(field) is not None:
            derived[field] = assistant[field]
    if additional_instructions := call.body.get("additional_instructions"):
        instructions = derived.get("instructions", obj["instructions"])
        derived["instructions"] = f"{instructions} {additional_instructions}".strip()
    return derived


def _store_thread_and_run(call: _Call, run: _JSON, script: _Script) -> None:
    """Store the thread that the request describes, unless one with its id exists, and a run on it."""
    store = call.store
    thread_id = run["thread_id"]
    if thread_id not in store["beta.threads"]:
        request_fields = call.body.get("thread") or {}
        thread_fields = _accepted_fields(_sdk_type("beta.Thread"), request_fields)
        thread = _new_object("beta.Thread", store, {**thread_fields, "id": thread_id})
        store["beta.threads"][thread_id] = thread
        _initialize_thread(store, thread, request_fields, _NOT_SET)
    _store_run(call, run, script)


def _initialize_thread(store: StateStore, thread: _JSON, request_fields: Mapping[str, Any], script: _Script) -> None:
    """Create the vector stores and the messages that the request describes for a new thread."""
    _create_tool_resources(store, thread, request_fields, script)
    for message in _only_dicts(request_fields.get("messages")):
        _add_message(store, thread["id"], message)


def _create_tool_resources(store: StateStore, obj: _JSON, request_fields: Mapping[str, Any], script: _Script) -> None:
    """Set `tool_resources` of a new object, with the ids of new vector stores where the request describes these.

    `tool_resources` that the test set stay as they are.
    """
    requested = request_fields.get("tool_resources")
    if not requested or "tool_resources" in script.set_fields:
        return
    tool_resources = {tool_type: _copy_json(resource) for tool_type, resource in requested.items() if resource}
    file_search = tool_resources.get("file_search", {})
    for description in _only_dicts(file_search.pop("vector_stores", None)):
        vector_store = _create_vector_store(store, description)
        file_search.setdefault("vector_store_ids", []).append(vector_store["id"])
    obj["tool_resources"] = tool_resources


def _store_run(call: _Call, run: _JSON, script: _Script) -> None:
    """Store a run and its additional messages, and start it unless the test set its state."""
    store = call.store
    thread_id = run["thread_id"]
    for message in _only_dicts(call.body.get("additional_messages")):
        _add_message(store, thread_id, message)
    _insert_object(store, _get_resource("beta.threads.runs"), (thread_id,), run, script.set_fields)
    store._ensure_metadata("beta.threads.runs", (thread_id, run["id"])).created_by = call.row.name
    if not script.sets_state:
        _start_run(store, run, script.turn or _default_turn(run))
    elif run.get("required_action"):
        tool_calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
        _add_tool_call_step(store, run, tool_calls)


def _check_tool_outputs(call: _Call) -> None:
    """The run must wait for tool outputs, and there must be one for each of its tool calls."""
    run = _require_target(call)
    if run["status"] != "requires_action":
        _reject(f"Runs in status '{run['status']}' do not accept tool outputs.")
    tool_calls = _get_dict(_get_dict(run, "required_action"), "submit_tool_outputs").get("tool_calls")
    expected_ids = [tool_call.get("id") for tool_call in _only_dicts(tool_calls)]
    output_ids = [output.get("tool_call_id") for output in _only_dicts(call.body.get("tool_outputs"))]
    unexpected_ids = [id for id in output_ids if id not in expected_ids]
    missing_ids = [id for id in expected_ids if id not in output_ids]
    if wrong_ids := unexpected_ids or missing_ids:
        _reject(
            f"Expected tool outputs for call_ids {expected_ids}, but '{wrong_ids[0]}' is not as expected.",
            "tool_outputs",
        )


def _resume_run(call: _Call, script: _Script) -> Any:
    """Complete the open steps of a run with the tool outputs of the request, restart the run, and return it."""
    run = _require_target(call)
    outputs = {}
    for output in _only_dicts(call.body.get("tool_outputs")):
        outputs[output.get("tool_call_id")] = output.get("output")
    steps = call.store._children("beta.threads.runs.steps", *call.id_path).values()
    for step in steps:
        if step.get("status") == "in_progress":
            _complete_tool_call_step(step, outputs)
    _discard_set_state(call.store, call.resource.name, call.key)
    _start_run(call.store, run, script.turn or _default_turn(_without_called_tools(run, steps)))
    return run


def _without_called_tools(run: _JSON, steps: Iterable[_JSON]) -> _JSON:
    """Return a run without the tools that it has called. It answers with text when none is left, so that it ends."""
    called_names = _called_names([_get_dict(step, "step_details") for step in steps])
    tools = []
    for tool in _only_dicts(run.get("tools")):
        if _get_dict(tool, "function").get("name") not in called_names:
            tools.append(tool)
    return {**run, "tools": tools}


def _complete_tool_call_step(step: _JSON, outputs: Mapping[Any, Any]) -> None:
    for tool_call in step["step_details"]["tool_calls"]:
        tool_call["function"]["output"] = outputs.get(tool_call["id"])
    step.update(status="completed", completed_at=int(time.time()))


_RUN_EXPIRY_SECONDS = 600  # seconds a run may take before it expires


def _start_run(store: StateStore, run: _JSON, turn: Turn | None) -> None:
    """Queue a run and schedule its next states. Its last state adds `turn` to the thread, or the default text."""
    started_at = None
    if run.get("required_action"):  # a run that waited for tool outputs has started before
        started_at = run["started_at"]
    # these fields are null until the run ends, even if the test set them
    run.update(started_at=started_at, completed_at=None, usage=None)
    queued = {"status": "queued", "required_action": None, "expires_at": _Timestamp(_RUN_EXPIRY_SECONDS)}
    in_progress = {"status": "in_progress", "started_at": started_at or _Timestamp()}
    finish = functools.partial(_finish_run, turn=turn or Turn(_DEFAULT_TEXT))
    key = (run["thread_id"], run["id"])
    _apply_stages(store, _get_resource("beta.threads.runs"), key, (queued, in_progress, finish))


def _finish_run(store: StateStore, run: _JSON, turn: Turn) -> _JSON:
    """Add the tool calls or the message of a turn to a run, with their step. Return the changes of the run itself."""
    if turn.tool_calls:
        tool_calls = []
        for tool_call in turn.tool_calls:
            id = tool_call.id or store._new_id("call_")
            tool_calls.append({"id": id, "type": "function", "function": _tool_call_fields(tool_call)})
        _add_tool_call_step(store, run, tool_calls)
        action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": tool_calls}}
        return {"status": "requires_action", "required_action": action}

    usage_change = {"usage": _run_usage(store, run, turn)}  # before the answer is one of the messages of the thread
    block = {"type": "refusal", "refusal": turn.refusal} if turn.refusal else _text_block_with_citations(turn)
    message = _add_message(
        store,
        run["thread_id"],
        {"role": "assistant", "content": [block], "run_id": run["id"], "assistant_id": run["assistant_id"]},
    )

    usage = _with_set_fields(store, "beta.threads.runs", (run["thread_id"], run["id"]), usage_change)["usage"]
    details = {"type": "message_creation", "message_creation": {"message_id": message["id"]}}
    _add_run_step(store, run, details, usage=usage)

    if turn.stop:
        reason = "max_tokens" if turn.stop == "length" else turn.stop
        message.update(status="incomplete", incomplete_details={"reason": reason})
        return {"status": "incomplete", "incomplete_details": {"reason": "max_completion_tokens"}, "usage": usage}
    return {"status": "completed", "completed_at": _Timestamp(), "expires_at": None, "usage": usage}


def _add_tool_call_step(store: StateStore, run: Mapping[str, Any], tool_calls: list[_JSON]) -> None:
    """Add a step in progress to a run, with tool calls that have no output yet."""
    calls_without_output = [
        {**tool_call, "function": {**tool_call["function"], "output": None}} for tool_call in tool_calls
    ]
    details = {"type": "tool_calls", "tool_calls": calls_without_output}
    _add_run_step(store, run, details, status="in_progress", completed_at=None, usage=None)


def _add_run_step(store: StateStore, run: Mapping[str, Any], details: _JSON, **fields: Any) -> None:
    step = {
        "assistant_id": run["assistant_id"],
        "thread_id": run["thread_id"],
        "run_id": run["id"],
        "type": details["type"],
        "step_details": details,
        **fields,
    }
    _add_related_object(store, "beta.threads.runs.steps", (run["thread_id"], run["id"]), step)


def _text_block_with_citations(turn: Turn) -> _JSON:
    """Return the text of a turn as a content block of a message, with an annotation for each file it cites."""
    text = turn.text or ""
    annotations = []
    for citation in turn.citations:
        annotations.append(
            {
                "type": "file_citation",
                "text": text[citation.start : citation.end],
                "file_citation": {"file_id": citation.file_id},
                "start_index": citation.start,
                "end_index": citation.end,
            }
        )
    return {"type": "text", "text": {"value": text, "annotations": annotations}}


def _add_message(store: StateStore, thread_id: str, request_fields: Mapping[str, Any]) -> _JSON:
    """Add a message that a request describes to a thread, and return it."""
    fields = _accepted_fields(_sdk_type("beta.threads.Message"), {**request_fields, "thread_id": thread_id})
    fields["content"] = _to_content_blocks(request_fields.get("content"))
    message = _add_related_object(store, "beta.threads.messages", (thread_id,), fields)
    _attach_files(store, thread_id, request_fields)
    return message


def _to_content_blocks(content: Any) -> list[_JSON]:
    """Convert the content in a request, a string or parts, to the blocks of a message: text gets annotations."""
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    blocks = []
    for part in _only_dicts(content):
        if isinstance(part.get("text"), str):
            blocks.append({**part, "text": {"value": part["text"], "annotations": []}})
        else:
            blocks.append(part)
    return blocks


def _attach_files(store: StateStore, thread_id: str, message: Mapping[str, Any]) -> None:
    """Add the attachments of a message to its thread: to a vector store, and to the code interpreter's files."""
    thread = store["beta.threads"].get(thread_id, {})
    tool_resources = thread.get("tool_resources") or {}
    for attachment in _only_dicts(message.get("attachments")):
        file_id = attachment.get("file_id")
        tool_types = {tool.get("type") for tool in _only_dicts(attachment.get("tools"))}
        if "file_search" in tool_types:
            file_search = tool_resources.setdefault("file_search", {})
            if not file_search.get("vector_store_ids"):
                file_search["vector_store_ids"] = [_create_vector_store(store, {})["id"]]
            _create_vector_store_file(store, file_search["vector_store_ids"][0], {"file_id": file_id})
        if "code_interpreter" in tool_types:
            tool_resources.setdefault("code_interpreter", {}).setdefault("file_ids", []).append(file_id)
    if tool_resources:
        thread["tool_resources"] = tool_resources


def _run_usage(store: StateStore, run: Mapping[str, Any], turn: Turn) -> _JSON:
    """Return the token counts of a run.

    The prompt is the instructions of the run and all messages of the thread. The completion is the turn.
    """
    prompt_tokens = _count_tokens(run.get("instructions") or "")
    for message in _load_child_objects(store, "beta.threads.messages", run["thread_id"]):
        prompt_tokens += _count_tokens(_message_text(message))
    completion_tokens = _count_tokens(turn.text or turn.refusal or "")
    for tool_call in turn.tool_calls:
        completion_tokens += _count_tokens(tool_call.arguments)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_token_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _message_text(message: Mapping[str, Any]) -> str:
    return "".join(str(_get_dict(block, "text").get("value", "")) for block in _only_dicts(message["content"]))


def _implied_by_run(run: _JSON, explicit: Mapping[str, Any]) -> _JSON:
    """Return the status of a run that follows from a set error, set incomplete details or a set required action."""
    statuses = {"last_error": "failed", "incomplete_details": "incomplete", "required_action": "requires_action"}
    for field, status in statuses.items():
        if explicit.get(field):
            return {"status": status, "completed_at": None}
    return {}


def _turn_to_run(turn: Turn) -> _JSON:
    """Return no fields, because a turn becomes a message only when its run ends.

    Raises `TypeError` for citations of web pages, which messages of threads cannot have.
    """
    for citation in turn.citations:
        if citation.file_id is None:
            raise TypeError(f"{citation!r}: messages of threads can cite only files; use cited(..., file_id=...)")
    return {}


# ---- stream events of a run ------------------------------------------------------------------------------------------


def _run_events(call: _Call, run: _JSON, chunk: int | None) -> Iterator[_Event]:
    """Yield the events of a run from its current state until it ends or needs tool outputs.

    The first events are those of new or completed objects: the thread and the run, unless they are in the path, and
    the steps that the tool outputs of the request completed. Each later state of the run follows, after the messages
    or tool calls of its new steps, in pieces of `chunk` characters.
    """
    store = call.store
    key = (run["thread_id"], run["id"])
    if "thread_id" not in call.params:
        yield "thread.created", store["beta.threads"][run["thread_id"]]
    if "run_id" not in call.params:
        yield "thread.run.created", run

    steps = _run_steps(store, key)
    answered_ids = {output.get("tool_call_id") for output in _only_dicts(call.body.get("tool_outputs"))}
    for step in steps.values():
        step_call_ids = {tool_call["id"] for tool_call in step["step_details"].get("tool_calls") or ()}
        if answered_ids & step_call_ids:
            yield "thread.run.step.completed", step

    new_steps = {}
    if run["status"] == "requires_action":  # the test set this status, so the stream has not shown the steps yet
        new_steps = steps
    while True:
        for step in new_steps.values():
            yield from _step_events(store, step, chunk)
        yield f"thread.run.{run['status']}", run
        if not _has_pending_changes(store, "beta.threads.runs", key):
            break
        with store.lock:
            previous_steps = _run_steps(store, key)
            _advance(store, "beta.threads.runs", key)
            run = _copy_json(store["beta.threads.runs"][key])
            new_steps = {id: step for id, step in _run_steps(store, key).items() if id not in previous_steps}
    yield "done", "[DONE]"


def _run_steps(store: StateStore, key: tuple[str, str]) -> dict[Any, _JSON]:
    """Return copies of the steps of a run by key, because stored steps may change while a stream is read.

    A copy has the default of each field that the stored step lacks, as one that a test stored may.
    """
    default = _default_value(_sdk_type("beta.threads.runs.RunStep"))
    with store.lock:
        steps = _copy_json(store._children("beta.threads.runs.steps", *key))
        for step in steps.values():
            missing = {name: value for name, value in default.items() if name not in step}
            step.update(_fill_placeholders(missing, store))
    return steps


def _step_events(store: StateStore, step: _JSON, chunk: int | None) -> Iterator[_Event]:
    """Yield the events of a run step: its tool calls in pieces, or the message it creates."""
    details = step["step_details"]
    initial_step = {**step, "status": "in_progress", "completed_at": None, "usage": None}
    if details["type"] == "tool_calls":
        initial_step["step_details"] = {"type": "tool_calls", "tool_calls": []}
    yield "thread.run.step.created", initial_step
    yield "thread.run.step.in_progress", initial_step
    if details["type"] == "tool_calls":
        for index, tool_call in enumerate(details["tool_calls"]):
            for tool_call_delta in _tool_call_deltas(tool_call, chunk):
                indexed_delta = {"index": index, "type": "function"} | tool_call_delta
                delta = {"step_details": {"type": "tool_calls", "tool_calls": [indexed_delta]}}
                yield _delta_event("thread.run.step.delta", step, delta)
    else:
        message = store["beta.threads.messages"].get((step["thread_id"], details["message_creation"]["message_id"]))
        if message:  # it may have been deleted since the step was created
            yield from _thread_message_events(message, chunk)
    if step["status"] == "completed":
        yield "thread.run.step.completed", step


def _thread_message_events(message: _JSON, chunk: int | None) -> Iterator[_Event]:
    """Yield the events of a message in a thread: its creation, its content in pieces, and its final status."""
    initial_message = message | {"status": "in_progress", "content": []}
    yield "thread.message.created", initial_message
    yield "thread.message.in_progress", initial_message
    for index, block in enumerate(message["content"]):
        for block_delta in _block_deltas(block, chunk):
            indexed_delta = {"index": index, "type": block["type"]} | block_delta
            yield _delta_event("thread.message.delta", message, {"content": [indexed_delta]})
    yield f"thread.message.{message['status']}", message


def _block_deltas(block: _JSON, chunk: int | None) -> Iterator[_JSON]:
    if block["type"] == "refusal":
        for piece in _split_text(block["refusal"], chunk):
            yield {"refusal": piece}
    else:
        yield {"text": {"value": "", "annotations": block["text"]["annotations"]}}
        for piece in _split_text(block["text"]["value"], chunk):
            yield {"text": {"value": piece}}


def _delta_event(event_type: str, obj: Mapping[str, Any], delta: _JSON) -> _Event:
    return event_type, {"id": obj["id"], "object": event_type, "delta": delta}


# ---- rows of this API ------------------------------------------------------------------------------------------------


_extend_table(
    _RESOURCES,
    {
        "beta.assistants": {"not_found_message": "No assistant found with id '{id}'."},
        "beta.threads": {"not_found_message": "No thread found with id '{id}'."},
        "beta.threads.messages": {"not_found_message": "No message found with id '{id}'."},
        "beta.threads.runs": {"not_found_message": "No run found with id '{id}'."},
        "beta.threads.runs.steps": {
            "not_found_message": "No run step found with id '{id}'.",
            "not_found_param": None,
        },
    },
)


_extend_table(
    _ID_PREFIXES,
    {
        "Assistant": "asst_",
        "FunctionToolCall": "call_",
        "RequiredActionFunctionToolCall": "call_",
        "RunStep": "step_",
    },
)


_extend_table(
    _DEFAULTS_BY_SDK_MODEL,
    {
        "beta.threads.Message": {"metadata": {}, "content": [{"type": "text"}], "attachments": []},
        "beta.threads.Text": {"value": _DEFAULT_TEXT},
        "Assistant": {
            "metadata": {},
            "temperature": 1.0,
            "top_p": 1.0,
            "response_format": "auto",
            "tool_resources": {},
            "reasoning_effort": None,
        },
        "beta.FileSearch": {"ranking_options": {"ranker": "default_2024_08_21", "score_threshold": 0.0}},
        "beta.FileSearchTool": {},
        "beta.FunctionTool": {},
        "Run": {
            "usage": {},
            "started_at": _Timestamp(),
            "completed_at": _Timestamp(),
            "metadata": {},
            "temperature": 1.0,
            "top_p": 1.0,
            "truncation_strategy": {"type": "auto", "last_messages": None},
            "tool_choice": "auto",
            "response_format": "auto",
            "tool_resources": {},
            "reasoning_effort": None,
        },
        "RunStep": {"usage": {}, "completed_at": _Timestamp()},
        "Thread": {"metadata": {}, "tool_resources": {}},
    },
)


_extend_table(
    _IMPLIED_FIELDS,
    {
        "Run": _implied_by_run,
    },
)


_extend_table(
    _TURN_CONVERTERS,
    {
        "beta.threads.Run": _turn_to_run,
    },
)


_extend_table(
    _BEHAVIORS,
    {
        "beta.assistants.create": _Behavior(derive=_derive_assistant, store=_store_assistant),
        "beta.threads.create": _Behavior(store=_store_thread),
        "beta.threads.create_and_run": _Behavior(
            is_generated=True,
            references={"assistant_id": "beta.assistants"},
            derive=_derive_run,
            store=_store_thread_and_run,
            events=_run_events,
            get_messages=_new_thread_messages,
        ),
        "beta.threads.messages.create": _Behavior(
            derive=_derive_message,
            store=_store_message,
        ),
        "beta.threads.messages.update": _Behavior(handler=_update_message),
        "beta.threads.retrieve": _Behavior(handler=_retrieve_thread),
        "beta.threads.runs.cancel": _Behavior(
            check=_check_cancellable,
            stages=(
                {"status": "cancelling"},
                {"status": "cancelled", "cancelled_at": _Timestamp(), "expires_at": None},
            ),
        ),
        "beta.threads.runs.create": _Behavior(
            is_generated=True,
            references={"assistant_id": "beta.assistants"},
            derive=_derive_run,
            store=_store_run,
            events=_run_events,
            get_messages=_thread_messages,
        ),
        "beta.threads.runs.submit_tool_outputs": _Behavior(
            is_generated=True,
            check=_check_tool_outputs,
            resume=_resume_run,
            events=_run_events,
            get_messages=_messages_with_tool_outputs,
        ),
    },
)


# ======================================================================================================================
# HOSTED AGENTS AND CHATKIT
# ======================================================================================================================


# ---- sessions of agents: their agents and environments ---------------------------------------------------------------


def _derive_session(call: _Call, session: _JSON) -> _JSON:
    """Return the agent of a session, and its environment if the service hosts it."""
    derived = {}
    if session["environment"].get("type") == "openai_hosted":
        derived["environment"] = _hosted_environment(call, session["environment"])
    saved_agent = call.store["beta.agents"].get(call.body.get("agent_id"))
    if saved_agent is not None:
        saved_agent = _load_object(call.store, _get_resource("beta.agents"), saved_agent["id"])
        agent = {**session["agent"], **_accepted_fields(_session_agent_type(), saved_agent)}
        derived["agent"] = _merge_agent(agent, _get_dict(call.body, "agent"), call.store)
    return derived


def _hosted_environment(call: _Call, environment: _JSON) -> _JSON:
    """Return the environment of a session: one that exists, if the request names one, and else a new one."""
    requested = _get_dict(call.body, "environment")
    existing = call.store["beta.agents.environments"].get(requested.get("environment_id"))
    if existing:
        return {**environment, "id": existing["id"], "files": existing["files"]}
    return {**environment, "files": _environment_files(call.store, requested)}


def _environment_files(store: StateStore, requested: Mapping[str, Any]) -> list[_JSON]:
    """Return the files that a request puts into an environment, with their sizes."""
    files = []
    for file in _only_dicts(requested.get("files")):
        fields = {name: value for name, value in file.items() if name != "data"}
        files.append({"id": store._new_id("envfile_"), **fields, "size_bytes": _environment_file_size(store, file)})
    return files


def _environment_file_size(store: StateStore, file: Mapping[str, Any]) -> int:
    """Return the size of a file in an environment: that of its data, or of the file that its `file_id` names."""
    if file.get("type") == "inline":
        try:
            return len(base64.b64decode(file.get("data") or "", validate=True))
        except ValueError:
            _reject("Invalid file data: expected standard base64.", "environment.files")
    return store["files"].get(file.get("file_id"), {}).get("bytes", 0)


def _derive_environment(call: _Call, environment: _JSON) -> _JSON:
    return {"files": _environment_files(call.store, _get_dict(call.body, "environment"))}


def _store_environment(call: _Call, environment: _JSON, script: _Script) -> None:
    """Store an environment and its files."""
    _store_created(call, environment, script)
    _list_environment_files(call.store, environment)


def _list_environment_files(store: StateStore, environment: _JSON) -> None:
    for file in environment["files"]:
        fields = {"environment_id": environment["id"], "path": file["path"], "size_bytes": file["size_bytes"]}
        resource = _get_resource("beta.agents.environments.files")
        obj = _new_object("beta.agents.environments.EnvironmentFile", store, fields)
        _insert_object(store, resource, (environment["id"],), obj)


def _derive_environment_file(call: _Call, file: _JSON) -> _JSON:
    return {"size_bytes": _environment_file_size(call.store, call.body)}


def _store_session_environment(store: StateStore, session: _JSON) -> None:
    """Store the hosted environment of a session as an object of its own, unless it is stored already."""
    environment = session["environment"]
    if environment.get("type") != "openai_hosted" or environment["id"] in store["beta.agents.environments"]:
        return
    fields = {name: environment[name] for name in ("id", "type", "files", "plugins", "skills")}
    fields["status"] = "ready"
    stored = _new_object("beta.agents.EnvironmentInfo", store, fields)
    _insert_object(store, _get_resource("beta.agents.environments"), (), stored, {"id": environment["id"]})
    _list_environment_files(store, stored)


def _session_agent_type() -> Any:
    return _fields_of(_sdk_type("beta.AgentSession"))["agent"].type


def _merge_agent(agent: _JSON, changes: Mapping[str, Any], store: StateStore) -> _JSON:
    """Return an agent with the fields of a request. Each field replaces that of the agent whole; null is its default."""
    model = _session_agent_type()
    accepted = _accepted_fields(model, changes)
    for name, value in changes.items():
        if value is None and name in _fields_of(model):
            accepted[name] = _field_default(model, name)
    return _fill_placeholders({**agent, **accepted, "id": agent["id"]}, store)


def _update_session(call: _Call) -> _JSON:
    """Change a session. The agent keeps the fields that the request does not set, and null clears the metadata."""
    agent = _merge_agent(_require_target(call)["agent"], _get_dict(call.body, "agent"), call.store)
    session = _handle_update(call)
    session["agent"] = agent
    if "metadata" in call.body and call.body["metadata"] is None:
        session["metadata"] = {}
    return session


def _list_sessions(call: _Call) -> _JSON:
    """Return the page of sessions that a query selects. Its `agent_id` is that of the agent of a session."""
    query = dict(call.query)
    if "agent_id" in query:
        query["agent[id]"] = query.pop("agent_id")
    return _handle_list(call, query)


# ---- sessions of agents: input ---------------------------------------------------------------------------------------


def _store_session(call: _Call, session: _JSON, script: _Script) -> None:
    """Store a session, and start its first turn if the request has input and the test did not set a state."""
    store = call.store
    _store_created(call, session, script)
    _store_session_environment(store, session)
    store._ensure_metadata("beta.agents.sessions", session["id"]).created_by = call.row.name
    messages = _input_messages(call.body.get("input"))
    starts_turn = bool(messages) and not script.sets_state
    first_events = [_session_event(session, "created")]
    if session["error"]:
        error = {"code": "internal_error", "message": session["error"]}
        first_events.append(_error_event(session, error))
    if not starts_turn:
        first_events.append(_session_event(session, session["status"]))
    _queue_events(store, session["id"], first_events)
    _finish_work(store, session["id"])  # a stream that is opened later has no events of before
    if starts_turn:
        turn = _start_turn(store, session, messages)
        _queue_step(call, session, turn, script)


def _input_messages(value: Any) -> list[_JSON]:
    """Return the input of a request as messages of the user. A string is one message."""
    if isinstance(value, str) and value:
        return [{"role": "user", "content": [{"type": "input_text", "text": value}]}]
    return _only_dicts(value)


def _creates_with_input(call: _Call) -> bool:
    return bool(_input_messages(call.body.get("input")))


def _submit_input(call: _Call, script: _Script) -> bytes:
    """Apply the events of a request to a session, and queue the next step of the model if it is due.

    Raises the service's 400 or 409 of an event that the session cannot take, before any event is applied.
    """
    session = _require_target(call)
    needs_output = _needs_session_output(call)
    events = _only_dicts(call.body.get("events"))
    handlers = [_INPUT_HANDLERS[event["type"]] for event in events]
    for handler, event in zip(handlers, events, strict=True):
        handler.check(call.store, session, event)
    for handler, event in zip(handlers, events, strict=True):
        handler.apply(call.store, session, event)
    if needs_output:
        turn = typing.cast(_JSON, _active_turn(call.store, session["id"]))
        _queue_step(call, session, turn, script)
    return b""


def _needs_session_output(call: _Call) -> bool:
    """Return True if the input of a request makes the model generate output.

    That is a message to an idle session, or the last result that a turn waits for. A message finishes the work that the
    session has queued, so that it finds the session idle or waiting.
    """
    if call.key not in call.objects:
        return False
    events = _only_dicts(call.body.get("events"))
    has_message = any(event.get("type") == "agent.session.input.message" for event in events)
    session = _load_object(call.store, call.resource, call.key)
    if has_message:
        _finish_work(call.store, session["id"])
    pending_ids = {_action_id(action) for action in session["required_actions"]}
    if pending_ids:
        return pending_ids <= {_action_id(event) for event in events}
    return has_message and _active_turn(call.store, session["id"]) is None


def _action_id(action: Mapping[str, Any]) -> Any:
    """Return the ID that a required action and its result have in common."""
    return action.get("call_id") or action.get("request_id")


class _InputHandler(NamedTuple):
    """The functions that check and apply the input of one type to a session."""

    apply: Callable[[StateStore, _JSON, _JSON], None]
    # raises the error of input that the session cannot take
    check: Callable[[StateStore, _JSON, _JSON], None] = lambda store, session, event: None


def _apply_message(store: StateStore, session: _JSON, event: _JSON) -> None:
    """Start a turn with the messages of an event, or add them to the turn that is active."""
    messages = _input_messages(event.get("input"))
    turn = _active_turn(store, session["id"])
    if turn is None:
        _start_turn(store, session, messages)
        return
    for message in messages:
        item = _add_session_item(store, turn, {"type": "message", **message})
        _queue_events(store, session["id"], [_session_item_added(turn, item, None)])


def _check_tool_result(store: StateStore, session: _JSON, event: _JSON) -> None:
    """Raise the 400 of a result for an unknown call, and the 409 of a second result that differs from the first one."""
    call_id = event.get("call_id")
    if call_id in [action.get("call_id") for action in session["required_actions"]]:
        return
    for item in _load_child_objects(store, "beta.agents.sessions.items", session["id"]):
        if item["type"] == "function_call_output" and item["call_id"] == call_id:
            if item.items() >= _tool_result_fields(event).items():
                return
            _reject(f"Tool call already has another result: {call_id}", "events", "conflict", status=409)
    _reject(f"Unknown pending tool call: {call_id}", "events", "invalid_request_error")


def _apply_tool_result(store: StateStore, session: _JSON, event: _JSON) -> None:
    """Add the result of a function call, and resume the turn if it waits for no other result."""
    call_id = event["call_id"]
    open_actions = [action for action in session["required_actions"] if action.get("call_id") != call_id]
    if len(open_actions) == len(session["required_actions"]):  # the same result again
        return
    session["required_actions"] = open_actions
    turn = typing.cast(_JSON, _active_turn(store, session["id"]))
    output = _add_session_item(store, turn, _tool_result_fields(event))
    _queue_events(store, session["id"], _tool_result_events(store, turn, output))
    if not open_actions:
        _resume_turn(store, session, turn)


def _check_approval(store: StateStore, session: _JSON, event: _JSON) -> None:
    """Raise the 400 of the answer to an approval that no turn waits for."""
    request_id = event.get("request_id")
    if request_id not in [action.get("request_id") for action in session["required_actions"]]:
        _reject(f"Unknown pending approval request: {request_id}", "events", "invalid_request_error")


def _apply_approval(store: StateStore, session: _JSON, event: _JSON) -> None:
    """Take an approval off the actions that a turn waits for, and resume the turn if no other one is left."""
    actions = session["required_actions"]
    session["required_actions"] = [action for action in actions if action.get("request_id") != event["request_id"]]
    if not session["required_actions"]:
        _resume_turn(store, session, typing.cast(_JSON, _active_turn(store, session["id"])))


def _tool_result_fields(event: Mapping[str, Any]) -> _JSON:
    """Return the fields of the item for the result of a function call."""
    return {
        "type": "function_call_output",
        "call_id": event["call_id"],
        "status": "completed" if event.get("success") else "failed",
        "output": event.get("output"),
        "error": event.get("error"),
    }


def _apply_cancel(store: StateStore, session: _JSON, event: _JSON) -> None:
    """Cancel the turn that is active, if there is one. What it has begun stays incomplete."""
    turn = _active_turn(store, session["id"])
    if turn is None:
        return
    while turn["status"] == "queued":  # the events of its start come in any case
        _produce_event(store, session["id"])
    session["required_actions"] = []
    store._ensure_metadata("beta.agents.sessions", session["id"]).upcoming.clear()
    _queue_events(store, session["id"], _cancelled_events(store, session, turn))


# By the type of an event that an application sends to a session, what it does.
_INPUT_HANDLERS: dict[str, _InputHandler] = {
    "agent.session.input.cancel": _InputHandler(_apply_cancel),
    "agent.session.input.computer_use_approval_request_result": _InputHandler(_apply_approval, _check_approval),
    "agent.session.input.mcp_approval_request_result": _InputHandler(_apply_approval, _check_approval),
    "agent.session.input.message": _InputHandler(_apply_message),
    "agent.session.input.tool_result": _InputHandler(_apply_tool_result, _check_tool_result),
}


def _session_conversation(call: _Call) -> list[_JSON]:
    """Return the items of a session, and after them the messages and results of the request."""
    if not call.shape.item_param:
        return [{"type": "message", **message} for message in _input_messages(call.body.get("input"))]
    items = [*_load_child_objects(call.store, "beta.agents.sessions.items", call.item_id)]
    for event in _only_dicts(call.body.get("events")):
        if event.get("type") == "agent.session.input.tool_result":
            items.append(_tool_result_fields(event))
        items += [{"type": "message", **message} for message in _input_messages(event.get("input"))]
    return items


# ---- sessions of agents: turns and items -----------------------------------------------------------------------------


_FINAL_TURN_STATUSES = ("completed", "failed", "cancelled")


def _active_turn(store: StateStore, session_id: str) -> _JSON | None:
    """Return the turn of a session that has not ended, or None. A turn put into the state without a status has ended."""
    for turn in reversed(_load_child_objects(store, "beta.agents.sessions.turns", session_id)):
        if turn.get("status", "completed") not in _FINAL_TURN_STATUSES:
            return turn
    return None


def _start_turn(store: StateStore, session: _JSON, messages: Iterable[_JSON]) -> _JSON:
    """Store a turn with messages of the user, queue the events of its start, and return it."""
    fields = {
        "agent_id": session["agent"]["id"],
        "session_id": session["id"],
        "status": "queued",
        "started_at": None,
        "completed_at": None,
    }
    turn = _add_related_object(store, "beta.agents.sessions.turns", (session["id"],), fields)
    items = [_add_session_item(store, turn, {"type": "message", **message}) for message in messages]
    session.update(status="in_progress", last_active_at=int(time.time()))
    _queue_events(store, session["id"], _turn_start_events(session, turn, items))
    return turn


def _add_session_item(store: StateStore, turn: Mapping[str, Any], fields: Mapping[str, Any]) -> _JSON:
    """Add an item to a turn and its session or subagent, with defaults for the missing fields, and return it."""
    item_type = _sdk_type("beta.AgentSessionItem")
    item = _fill_placeholders(_merge(item_type, {**fields, "turn_id": turn["id"]}, "item"), store)
    resource, parents = _turn_owner(turn)
    _insert_object(store, _get_resource(f"{resource}.items"), parents, item)
    store[f"{resource}.turns.items"][(*parents, turn["id"], item["id"])] = item
    return item


def _turn_owner(turn: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return the resource that a turn belongs to, a session or a subagent, and the IDs that lead to the object."""
    if turn["subagent_id"]:
        return "beta.agents.sessions.subagents", (turn["session_id"], turn["subagent_id"])
    return "beta.agents.sessions", (turn["session_id"],)


def _queue_step(call: _Call, session: _JSON, turn: _JSON, script: _Script) -> None:
    """Queue the events of one step of the model: the turn that the test set, or one that fits the agent."""
    agent = session["agent"]
    output = script.turn or _default_turn(agent) or Turn(_DEFAULT_TEXT)
    if call.mock._strict and script.turn:
        _check_set_output(call, agent, script.turn)
    events = _model_step_events(call.store, session, turn, output, script.pace.chunk)
    _queue_events(call.store, session["id"], events)


def _resume_turn(store: StateStore, session: _JSON, turn: _JSON) -> None:
    """Set a turn that waited, and its session, in progress again."""
    turn["status"] = "in_progress"
    session["status"] = "in_progress"
    _queue_events(store, session["id"], [_session_event(session, "in_progress")])


@dataclasses.dataclass(frozen=True, repr=False)
class _AgentTurn(Turn):
    """The output of an agent in one step of its model, as a test set it with a dict."""

    items: tuple[Turn | _JSON, ...] = ()  # turns, and partial items of built-in tools
    status: str = "completed"  # what ends the turn: `completed`, `failed` or `budget_reached`
    error: Any = None  # the code and the message of a failed turn, or the message of a failed session
    artifacts: Mapping[str, bytes] = dataclasses.field(default_factory=dict)  # by path
    subagents: tuple[_JSON, ...] = ()  # the `name`, the `instructions` and the `items` of each


# The keys of a dict that describes a step of an agent. A dict for `sessions.create` with other keys has session fields.
_STEP_KEYS = {"artifacts", "error", "items", "status", "subagents"}


def _coerce_first_step(value: Any) -> Callable[[_Call], Turn] | None:
    """Convert a dict that describes a step of an agent. Return None for a dict with the fields of a session."""
    if not isinstance(value, Mapping):
        return None
    if not value.keys().isdisjoint(("artifacts", "items", "subagents")) or isinstance(value.get("error"), Mapping):
        return _coerce_step(value)
    return None


def _coerce_step(value: Any) -> Callable[[_Call], Turn] | None:
    """Convert a dict that describes a step of an agent, or return None for anything else.

    Raises `ValueError` for a key or an item that steps do not have.
    """
    if not isinstance(value, Mapping) or not value:
        return None
    if unknown_keys := value.keys() - _STEP_KEYS:
        keys = ", ".join(sorted(_STEP_KEYS))
        raise ValueError(f"a step of an agent has no {', '.join(map(repr, unknown_keys))}; it takes {keys}")
    items = tuple(_checked_step_item(item) for item in value.get("items", ()))
    error = value.get("error")
    status = value.get("status", "failed" if error else "completed")
    if isinstance(error, Mapping):
        error = _merge(_sdk_type("beta.SessionTurnError"), error, "error")
    subagents = tuple(_checked_subagent(subagent) for subagent in value.get("subagents", ()))
    artifacts = value.get("artifacts", {})
    step = _AgentTurn(items=items, status=status, error=error, artifacts=artifacts, subagents=subagents)
    return lambda call: step


_SUBAGENT_KEYS = {"instructions", "items", "name"}


def _checked_subagent(value: Any) -> _JSON:
    """Return the description of a subagent with all of its keys. Raise `ValueError` for one that subagents do not have."""
    if not isinstance(value, Mapping) or not value.keys() <= _SUBAGENT_KEYS:
        keys = ", ".join(sorted(_SUBAGENT_KEYS))
        raise ValueError(f"a subagent is {_safe_repr(value)}; expected a dict with {keys}")
    items = tuple(_checked_step_item(item) for item in value.get("items", ()))
    return {"name": None, "instructions": "", **value, "items": items}


def _checked_step_item(item: Any) -> Turn | _JSON:
    """Return an item of a step as a turn or a dict. Raise `ValueError` for a dict that no item of a session accepts."""
    if isinstance(item, str):
        return Turn(item)
    if isinstance(item, Turn):
        return item
    if not isinstance(item, Mapping) or "type" not in item:
        raise ValueError(f"an item of a step is {_safe_repr(item)}; expected a str, a turn or a dict with a 'type'")
    if item["type"] not in _APPROVAL_TYPES:
        _merge(_sdk_type("beta.AgentSessionItem"), item, "item")
    return dict(item)


def _agent_output_items(turn: Turn) -> list[_JSON]:
    """Return the output of the model as partial items, with the fields that items of agents have.

    A message before a call of a tool is commentary.
    """
    parts = turn.items if isinstance(turn, _AgentTurn) else (turn,)
    items = []
    for part in parts:
        items += _turn_to_response(part)["output"] if isinstance(part, Turn) else [part]
    return [_agent_output_item(item, items[position + 1 :]) for position, item in enumerate(items)]


def _agent_output_item(item: _JSON, later_items: Iterable[_JSON]) -> _JSON:
    """Return an item of a response, or of a test, as a partial item of an agent."""
    if item["type"] == "function_call" and isinstance(item["arguments"], str):
        return {**item, "arguments": _decoded_arguments(item["arguments"])}
    if item["type"] != "message":
        return item
    precedes_call = any(later["type"] not in ("message", "reasoning") for later in later_items)
    phase = "commentary" if precedes_call else "final_answer"
    content = [{"type": "output_text", "text": _extract_text(part)} for part in item["content"]]
    return {"phase": phase, **item, "role": "assistant", "content": content}


def _decoded_arguments(text: str) -> Any:
    """Return the arguments of a call as JSON, or as the text that a test set instead of JSON."""
    try:
        return _json_decode(text)
    except ValueError:
        return text


def _turn_to_session(turn: Turn) -> _JSON:
    """Return no fields, because a turn becomes items of a session.

    Raises `TypeError` for a turn with citations, or one that is filtered, which agents do not have.
    """
    if turn.citations:
        raise TypeError(f"{turn!r}: messages of agents have no citations")
    if turn.stop == "content_filter":
        raise TypeError(f"{turn!r}: agents have no content filter")
    return {}


def _turn_usage(store: StateStore, turn: Mapping[str, Any]) -> _JSON:
    """Return the token counts of a turn. Its output is what its own items have from the model, its input all before."""
    input_tokens = 0
    output_tokens = 0
    for item in _load_child_objects(store, "beta.agents.sessions.items", turn["session_id"]):
        tokens = _count_tokens(_extract_text(item) or json.dumps(item.get("arguments", "")))
        if item["turn_id"] == turn["id"] and _is_agent_output(item):
            output_tokens += tokens
        else:
            input_tokens += tokens
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": input_tokens + output_tokens,
    }


def _is_agent_output(item: Mapping[str, Any]) -> bool:
    """Return True for an item that has an `output_index`: it is neither a message of the user nor a result."""
    return item["type"] not in ("function_call_output", "agent_message") and item.get("role") != "user"


# ---- sessions of agents: stream events -------------------------------------------------------------------------------


def _queue_events(store: StateStore, session_id: str, events: Iterable[_JSON]) -> None:
    """Add events to those that a session will produce."""
    store._ensure_metadata("beta.agents.sessions", session_id).upcoming.append(iter(events))


def _produce_event(store: StateStore, session_id: str) -> bool:
    """Add the next event to the events of a session, and change the state as it says. Return False if none is left."""
    metadata = store._ensure_metadata("beta.agents.sessions", session_id)
    while metadata.upcoming:
        event = next(metadata.upcoming[0], None)
        if event is not None:
            metadata.events.append(_copy_json({**event, "event_id": store._new_id("event_")}))
            return True
        metadata.upcoming.pop(0)
    return False


def _finish_work(store: StateStore, session_id: str) -> None:
    """Produce all events that a session has queued."""
    while _produce_event(store, session_id):
        pass


def _finish_all_sessions(store: StateStore) -> None:
    for session_id in list(store.get("beta.agents.sessions", ())):
        _finish_work(store, session_id)


def _after_work(handler: Callable[[_Call], Any]) -> Callable[[_Call], Any]:
    """Return a handler that finishes the queued work of all sessions before it reads the state."""

    def finish_and_handle(call: _Call) -> Any:
        _finish_all_sessions(call.store)
        return handler(call)

    return finish_and_handle


def _count_events(call: _Call) -> int:
    """Return the number of events that a session has had. Raise the 404 of a session that does not exist."""
    session = _require_target(call)
    return len(call.store._ensure_metadata("beta.agents.sessions", session["id"]).events)


def _live_events(call: _Call, start: Any, chunk: int | None) -> Iterable[_Event]:
    """Return the events of a session from now on.

    start: the number of events before the stream, or the event that the test set.
    """
    if isinstance(start, dict):
        return [(start["type"], start)]
    return _SessionStream(call.store, call.item_id, start)


# The events of a session that end the stream of its creation.
_SESSION_ENDS = ("agent.session.idle", "agent.session.failed", "agent.session.budget_reached")


def _creation_events(call: _Call, session: _JSON, chunk: int | None) -> Iterable[_Event]:
    """Return the events of a new session until its first turn has ended, or the session has failed."""
    return _SessionStream(call.store, session["id"], 0, _SESSION_ENDS)


class _SessionStream:
    """The events of a session, each produced when the client reads it.

    When the session has nothing left to do, the stream waits for the requests of other threads or tasks. It ends if no
    other one can send a request: if the client is synchronous, and its thread is the main one and no thread has started
    since the stream was opened; or if the client is asynchronous, and its event loop has no other task.

    start: the number of events before the first one.
    ends: the types of the events that end the stream.
    """

    _CHECK_INTERVAL = 0.01  # seconds after which a waiting stream looks for new events
    _MAX_CHECKS = 1000  # how often a synchronous client looks in vain until its stream ends

    def __init__(self, store: StateStore, session_id: str, start: int, ends: Sequence[str] = ()) -> None:
        self.store = store
        self.session_id = session_id
        self.position = start
        self.ends = ends
        self.has_ended = False
        self.older_threads = set(threading.enumerate())

    def __iter__(self) -> Iterator[_Event]:
        checks = 0
        while True:
            for event in self._available_events():
                checks = 0
                yield event
            if self.has_ended or checks == self._MAX_CHECKS or not self._can_another_thread_send():
                return
            time.sleep(self._CHECK_INTERVAL)
            checks += 1

    async def __aiter__(self) -> AsyncIterator[_Event]:
        while True:
            for event in self._available_events():
                yield event
            if self.has_ended or _is_only_task():
                return
            await _sleep(self._CHECK_INTERVAL)

    def _can_another_thread_send(self) -> bool:
        if threading.current_thread() is not threading.main_thread():
            return True
        return not set(threading.enumerate()) <= self.older_threads

    def _available_events(self) -> Iterator[_Event]:
        """Yield events until the session has nothing left to do, or the stream has ended."""
        while not self.has_ended and (event := self._next_event()):
            self.has_ended = event["type"] in self.ends
            yield event["type"], event

    def _next_event(self) -> _JSON | None:
        """Return the next event, or None if the session has nothing left to do, or is deleted."""
        with self.store.lock:
            if self.session_id not in self.store["beta.agents.sessions"]:
                self.has_ended = True
                return None
            events = self.store._ensure_metadata("beta.agents.sessions", self.session_id).events
            if self.position == len(events) and not _produce_event(self.store, self.session_id):
                return None
            self.position += 1
            return events[self.position - 1]


def _is_only_task() -> bool:
    """Return True if no other task of this event loop can send a request. Only asyncio knows, so False for other loops."""
    try:
        other_tasks = asyncio.all_tasks() - {asyncio.current_task()}
    except RuntimeError:  # the loop is not asyncio's
        return False
    return not other_tasks


def _session_event(session: _JSON, name: str) -> _JSON:
    return {"type": f"agent.session.{name}", "session": session}


def _turn_event(turn: Mapping[str, Any], name: str, /, **fields: Any) -> _JSON:
    ids = {"session_id": turn["session_id"], "turn_id": turn["id"]}
    return {"type": f"agent.session.turn.{name}", **ids, **fields}


def _session_item_added(turn: Mapping[str, Any], item: _JSON, output_index: int | None) -> _JSON:
    return _turn_event(turn, "item.added", item=item, output_index=output_index)


def _session_item_done(turn: Mapping[str, Any], item: _JSON, output_index: int) -> _JSON:
    return _turn_event(turn, "item.done", item=item, output_index=output_index)


def _turn_start_events(session: _JSON, turn: _JSON, items: Sequence[_JSON]) -> Iterator[_JSON]:
    """Yield the events of a turn that starts with some messages of the user."""
    yield _turn_event(turn, "created", turn=turn)
    for item in items[:1]:
        yield _session_item_added(turn, item, None)
    yield _session_event(session, "in_progress")
    turn.update(status="in_progress", started_at=int(time.time()))
    yield _turn_event(turn, "in_progress", turn=turn)
    for item in items[1:]:
        yield _session_item_added(turn, item, None)


def _model_step_events(
    store: StateStore, session: _JSON, turn: _JSON, output: Turn, chunk: int | None
) -> Iterator[_JSON]:
    """Yield the events of one step of the model, which ends the turn or makes it wait for the application."""
    if isinstance(output, _AgentTurn):
        for description in output.subagents:
            yield from _subagent_events(store, session, turn, description)
    requests = []
    for item in _agent_output_items(output):
        if item["type"] in _ACTION_TYPES:
            requests.append(item)
        else:
            yield from _output_item_events(store, turn, item, chunk)
    if requests:
        yield from _waiting_events(store, session, turn, requests)
    elif output.stop:
        error = {"code": "max_output_tokens", "message": "The model reached its output token limit."}
        yield from _turn_end_events(store, session, turn, "failed", error)
    elif isinstance(output, _AgentTurn):
        _add_artifacts(store, session, turn, output.artifacts)
        yield from _set_end_events(store, session, turn, output)
    else:
        yield from _turn_end_events(store, session, turn, "completed")


def _set_end_events(store: StateStore, session: _JSON, turn: _JSON, output: _AgentTurn) -> Iterator[_JSON]:
    """Yield the end of a turn that the test described: of the turn alone, or of the session with it."""
    error = output.error
    if output.status == "budget_reached":
        yield from _turn_end_events(store, session, turn, "completed", session_status="budget_reached")
    elif isinstance(error, str):
        session["error"] = error
        turn_error = {"code": "internal_error", "message": error}
        yield from _turn_end_events(store, session, turn, "failed", turn_error, session_status="failed")
    elif output.status == "failed":
        turn_error = error or {"code": "server_error", "message": "The turn failed."}
        yield from _turn_end_events(store, session, turn, "failed", turn_error)
    else:
        yield from _turn_end_events(store, session, turn, "completed")


def _waiting_events(store: StateStore, session: _JSON, turn: _JSON, requests: Iterable[_JSON]) -> Iterator[_JSON]:
    """Yield the events of a turn that needs results of functions or approvals.

    The actions are known before their events are read, because the SDK sends a result as soon as it has read a call.
    `requires_action` follows even if all results are there already.
    """
    action_type = _list_item_type(_fields_of(_sdk_type("beta.AgentSession"))["required_actions"].type)
    actions = []
    items = []
    for request in requests:
        fields = _ACTION_TYPES[request["type"]](store, request)
        partial = {"type": request["type"], "turn_id": turn["id"], **fields}
        actions.append(_fill_placeholders(_merge(action_type, partial, "item"), store))
        if request["type"] != "mcp_approval_request":
            items.append(_add_session_item(store, turn, {**request, **fields, "status": "in_progress"}))
    session["required_actions"] = [*actions]
    for item in items:
        yield _session_item_added(turn, item, _output_index(store, turn, item))
    if session["required_actions"]:
        session["status"] = "requires_action"
        turn["status"] = "waiting"
    yield _session_event({**session, "status": "requires_action", "required_actions": actions}, "requires_action")


def _function_call_action(store: StateStore, item: _JSON) -> _JSON:
    call_id = _fill_placeholders(item.get("call_id") or _NewId("call_"), store)
    return {"call_id": call_id, "name": item["name"], "arguments": item["arguments"]}


def _approval_action(store: StateStore, item: _JSON) -> _JSON:
    request = {"type": "mcp_tool_call", **item.get("request", {})}
    return {"request_id": item.get("request_id") or store._new_id("request_"), "request": request}


# Items that need an answer of the application, by type: a function that returns the fields of the required action.
_ACTION_TYPES: dict[str, Callable[[StateStore, _JSON], _JSON]] = {
    "function_call": _function_call_action,
    "mcp_approval_request": _approval_action,
    "computer_use_approval_request": lambda store, item: {
        "request_id": item.get("request_id") or store._new_id("request_"),
        "request": item["request"],
    },
}


_APPROVAL_TYPES = ("mcp_approval_request", "computer_use_approval_request")


def _subagent_events(store: StateStore, session: _JSON, turn: _JSON, description: _JSON) -> Iterator[_JSON]:
    """Run a subagent, and yield what the stream of its session has of it.

    The turn of the subagent and its items are only in the lists below the subagent. The calls that created and closed it
    follow after its end, as they do in the service.
    """
    agent_id = session["agent"]["id"]
    parents = (session["id"],)
    fields = {
        "session_id": session["id"],
        "parent_agent_id": agent_id,
        "name": description["name"],
        "status": "active",
        "closed_at": None,
    }
    subagent = _add_related_object(store, "beta.agents.sessions.subagents", parents, fields)
    yield {"type": "agent.session.subagent.created", "subagent": subagent}
    instructions = [{"type": "output_text", "text": description["instructions"]}]
    subagent["instructions"] = instructions
    yield {"type": "agent.session.subagent.created", "subagent": subagent}

    items = _run_subagent_turn(store, subagent, description["items"])
    subagent.update(status="closed", closed_at=int(time.time()))
    yield {"type": "agent.session.subagent.closed", "subagent": subagent}

    sender = {"sender_agent_id": agent_id}
    receiver = {"recipient_agent_id": subagent["id"]}
    answer = [{"type": "output_text", "text": _extract_text(items[-1:])}]
    create_call = {"type": "create_subagent_call", "agent_id": subagent["id"], "content": instructions}
    wait_call = {"type": "wait_for_subagents_call", **sender, "recipient_agent_ids": [subagent["id"]]}
    yield from _output_item_events(store, turn, create_call, None)
    yield from _agent_message_item(store, turn, agent_id, subagent["id"], instructions)
    yield from _output_item_events(store, turn, wait_call, None)
    yield from _agent_message_item(store, turn, subagent["id"], agent_id, answer)
    yield from _output_item_events(store, turn, {"type": "close_subagent_call", **sender, **receiver}, None)


def _run_subagent_turn(store: StateStore, subagent: _JSON, items: tuple[Turn | _JSON, ...]) -> list[_JSON]:
    """Store the completed turn of a subagent, and return its items."""
    now = int(time.time())
    fields = {
        "agent_id": subagent["id"],
        "session_id": subagent["session_id"],
        "subagent_id": subagent["id"],
        "status": "completed",
        "started_at": now,
        "completed_at": now,
    }
    parents = (subagent["session_id"], subagent["id"])
    turn = _add_related_object(store, "beta.agents.sessions.subagents.turns", parents, fields)
    return [_add_session_item(store, turn, item) for item in _agent_output_items(_AgentTurn(items=items))]


def _agent_message_item(
    store: StateStore, turn: _JSON, sender_id: str, recipient_id: str, content: list[_JSON]
) -> Iterator[_JSON]:
    """Add a message between agents to a turn. It isn't an output item, so the stream has only its beginning."""
    fields = {"sender_agent_id": sender_id, "recipient_agent_id": recipient_id, "content": content}
    item = _add_session_item(store, turn, {"type": "agent_message", **fields})
    yield _session_item_added(turn, item, None)


def _add_artifacts(store: StateStore, session: _JSON, turn: _JSON, artifacts: Mapping[str, bytes]) -> None:
    """Add the files that a turn wrote to its session."""
    for path, data in artifacts.items():
        fields = {
            "session_id": session["id"],
            "turn_id": turn["id"],
            "path": path,
            "size_bytes": len(data),
        }
        if session["environment"].get("id"):
            fields["environment_id"] = session["environment"]["id"]
        artifact = _add_related_object(store, "beta.agents.sessions.artifacts", (session["id"],), fields)
        store["beta.agents.sessions.artifacts.content"][session["id"], artifact["id"]] = data


def _tool_result_events(store: StateStore, turn: _JSON, output: _JSON) -> Iterator[_JSON]:
    """Yield the events of a result, and the end of the call that it belongs to."""
    yield _session_item_added(turn, output, None)
    for item in _turn_items(store, turn):
        if item["type"] == "function_call" and item["call_id"] == output["call_id"]:
            item["status"] = output["status"]
            yield _session_item_done(turn, item, _output_index(store, turn, item))


def _cancelled_events(store: StateStore, session: _JSON, turn: _JSON) -> Iterator[_JSON]:
    """Yield the end of a turn that is cancelled, after the ends of its open items."""
    for item in _turn_items(store, turn):
        if item.get("status") == "in_progress":
            item["status"] = "incomplete"
            yield _session_item_done(turn, item, _output_index(store, turn, item))
    yield from _turn_end_events(store, session, turn, "cancelled")


def _turn_end_events(
    store: StateStore,
    session: _JSON,
    turn: _JSON,
    status: str,
    error: _JSON | None = None,
    session_status: str = "idle",
) -> Iterator[_JSON]:
    """Yield the end of a turn, and its session, which is idle again or has ended with the turn."""
    if error:
        yield _error_event(session, error)
    now = int(time.time())
    usage = _turn_usage(store, turn)
    turn.update(status=status, error=error, completed_at=now, usage=usage)
    yield _turn_event(turn, status, turn=turn, usage=usage)
    session.update(last_active_at=now, usage=_add_usage(session["usage"], usage))
    session["status"] = session_status
    if not _accepts(_fields_of(_sdk_type("beta.AgentSession"))["status"].type, session_status):
        session["status"] = "idle"  # releases since 3.57 have no status for a budget that is reached
    yield _session_event(session, session_status)


def _error_event(session: Mapping[str, Any], error: Mapping[str, Any]) -> _JSON:
    details = {"type": error["code"], "code": error["code"], "message": error["message"], "param": None}
    return {"type": "error", "session_id": session["id"], "error": details}


def _add_usage(first: _JSON | None, second: _JSON) -> _JSON:
    """Return the sum of two usages. The first one may be None."""
    if first is None:
        return second
    total = {}
    for name, value in second.items():
        if isinstance(value, dict):
            total[name] = _add_usage(first[name], value)
        else:
            total[name] = first[name] + value
    return total


def _turn_items(store: StateStore, turn: Mapping[str, Any]) -> list[_JSON]:
    resource, parents = _turn_owner(turn)
    return list(store._children(f"{resource}.turns.items", *parents, turn["id"]).values())


def _output_index(store: StateStore, turn: Mapping[str, Any], item: _JSON) -> int:
    """Return the position of an item among the output items of its turn."""
    ids = [other["id"] for other in _turn_items(store, turn) if _is_agent_output(other)]
    return ids.index(item["id"])


class _AgentItemType(NamedTuple):
    """The fields and events of one type of item that the model or a tool of the service adds to a turn."""

    # fields with another value in `item.added` than in `item.done`
    initial: Mapping[str, Any] = {"status": "in_progress"}
    # returns the events between `item.added` and `item.done`, without the IDs
    events: Callable[[_JSON, int | None], Iterator[_JSON]] = lambda item, chunk: iter(())


def _output_item_events(
    store: StateStore, turn: _JSON, fields: Mapping[str, Any], chunk: int | None
) -> Iterator[_JSON]:
    """Add an item to a turn, and yield its events."""
    row = _AGENT_ITEM_TYPES.get(fields["type"], _AgentItemType())
    item = _add_session_item(store, turn, fields)
    final_fields = {name: item[name] for name in row.initial if name in item}
    item.update({name: row.initial[name] for name in final_fields})
    output_index = _output_index(store, turn, item)
    yield _session_item_added(turn, item, output_index)
    for event in row.events({**item, **final_fields}, chunk):
        event_type = event["type"].replace("response.", "agent.session.turn.")
        ids = {"session_id": turn["session_id"], "turn_id": turn["id"], "item_id": item["id"]}
        yield {**ids, "output_index": output_index, **event, "type": event_type}
    item.update(final_fields)
    yield _session_item_done(turn, item, output_index)


def _agent_message_events(message: _JSON, chunk: int | None) -> Iterator[_JSON]:
    for index, part in enumerate(message["content"]):
        for event in _part_events("output_text", part, "text", chunk):
            yield event | {"content_index": index}


def _agent_reasoning_events(item: _JSON, chunk: int | None) -> Iterator[_JSON]:
    for event in _reasoning_events(item, chunk):
        if event["type"].endswith("part.done"):
            yield event | {"status": None}
        else:
            yield event


def _agent_command_events(item: _JSON, chunk: int | None) -> Iterator[_JSON]:
    return _delta_events("agent.output.command_execution_output", item["output"], chunk)


# Types of items with events of their own, or with fields that a tool sets at its end.
_AGENT_ITEM_TYPES: dict[str, _AgentItemType] = {
    "command_execution": _AgentItemType(
        {"status": "in_progress", "output": None, "exit_code": None, "duration_ms": None}, _agent_command_events
    ),
    "computer_use_call": _AgentItemType({"status": "in_progress", "output": None}),
    "mcp_call": _AgentItemType({"status": "in_progress", "output": None, "error": None}),
    "message": _AgentItemType({"status": "in_progress", "content": []}, _agent_message_events),
    "reasoning": _AgentItemType({"summary": []}, _agent_reasoning_events),
}


# ---- automations -----------------------------------------------------------------------------------------------------


def _derive_automation(call: _Call, automation: _JSON) -> _JSON:
    """Return the status of a new automation: also one that runs once is active until then."""
    return {"status": "active"}


async def _run_automation(call: _Call, wait: _Wait) -> None:
    """Send the request that the target of an automation describes, and keep its response for the invocation.

    It is answered as a request of the application is, so it takes steps, and rules apply. This runs without the lock of
    the state, because a response may take time.
    """
    automation_id = call.params["automation_id"]
    automation = call.store["beta.agents.automations"].get(automation_id)
    if automation is None:
        return
    default = _default_value(_get_resource("beta.agents.automations").stored_type)
    session_call = _batch_request_call(call, _automation_request(automation.get("target") or default["target"]))
    response = await _answer(session_call, wait)
    metadata = call.store._ensure_metadata("beta.agents.automations", automation_id)
    metadata.results = [_invocation_fields(session_call, response)]


def _automation_request(target: Mapping[str, Any]) -> _JSON:
    """Return the request that a target describes: it creates a session, or sends a message to one."""
    if target["type"] == "existing_session":
        message = {"type": "agent.session.input.message", "input": _input_messages(target["instructions"])}
        url = f"/v1/agents/sessions/{target['session_id']}/events"
        return {"method": "POST", "url": url, "body": {"events": [message]}}
    body = {name: target[name] for name in ("agent", "agent_id", "input", "metadata") if target.get(name)}
    body["environment"] = {name: value for name, value in target["environment"].items() if value is not None}
    return {"method": "POST", "url": "/v1/agents/sessions", "body": body}


def _invocation_fields(session_call: _Call, response: httpx.Response) -> _JSON:
    """Return the fields of an invocation that follow from the response to its request."""
    content = response.read()
    if response.status_code >= 400:
        error = json.loads(content)["error"]
        return {"status": "failed", "error": {"code": error["code"] or "invalid_request", "message": error["message"]}}
    if session_call.shape.item_param:
        return {"session_id": session_call.item_id}
    return {"session_id": json.loads(content)["id"]}


def _derive_invocation(call: _Call, invocation: _JSON) -> _JSON:
    """Return the outcome of the request that the automation sent."""
    metadata = call.store._get_metadata("beta.agents.automations", call.params["automation_id"])
    if metadata is None or not metadata.results:
        return {}
    return metadata.results.pop()


def _store_invocation(call: _Call, invocation: _JSON, script: _Script) -> None:
    """Store an invocation. One that has not failed is queued, and completed when it is retrieved."""
    _store_created(call, invocation, script)
    if script is _NOT_SET and invocation["status"] != "failed":
        key = (*call.parent_ids, invocation["id"])
        _apply_stages(call.store, call.resource, key, ({"status": "queued"}, {"status": "completed"}))


# ---- rows of these APIs ----------------------------------------------------------------------------------------------


_extend_table(
    _RESOURCES,
    {
        "beta.agents.environments.files": {"key_field": "path"},
        "beta.agents.sessions.artifacts.content": {"parent_params": ("session_id",)},
    },
)


_extend_table(
    _ID_PREFIXES,
    {
        "AgentFunctionCallItem": "fc_",
        "AgentMessageItemResource": "msg_",
        "AgentReasoningItem": "rs_",
        "EnvironmentInfo": "env_",
        "EnvironmentResourceOpenAIHosted": "env_",
        "EnvironmentResourceSelfHosted": "env_",
        "FunctionCallOutputItemResource": "fco_",
        "AgentSession": "sess_",
        "AgentSessionMessage": "msg_",
        "ChatKitThread": "cthr_",
        "ChatSession": "cksess_",
    },
)


_extend_table(
    _DEFAULTS_BY_SDK_MODEL,
    {
        "AgentCommandExecutionItem": {"duration_ms": 1, "exit_code": 0, "output": ""},
        "AgentMcpCallItem": {"arguments": {}, "error": None, "output": None},
        "ChatKitWorkflow": {"state_variables": None, "version": None},
        "ChatKitThreadUserMessageItem": {"inference_options": None},
        "ChatSessionFileUpload": {"max_file_size": None, "max_files": None},
        "ChatSessionHistory": {"recent_threads": None},
    },
)


_extend_table(
    _TURN_CONVERTERS,
    {
        "beta.agents.sessions.create": _turn_to_session,
        "beta.agents.sessions.events.create": _turn_to_session,
    },
)


# Calls that read what the turns of a session have made, and the functions that answer them when the turns are done.
_READ_CALLS = {
    "beta.agents.sessions.artifacts.content": _handle_content,
    "beta.agents.sessions.artifacts.list": _handle_list,
    "beta.agents.sessions.artifacts.retrieve": _handle_retrieve,
    "beta.agents.sessions.items.list": _handle_list,
    "beta.agents.sessions.list": _list_sessions,
    "beta.agents.sessions.retrieve": _handle_retrieve,
    "beta.agents.sessions.subagents.items.list": _handle_list,
    "beta.agents.sessions.subagents.list": _handle_list,
    "beta.agents.sessions.subagents.retrieve": _handle_retrieve,
    "beta.agents.sessions.subagents.turns.items.list": _handle_list,
    "beta.agents.sessions.subagents.turns.list": _handle_list,
    "beta.agents.sessions.subagents.turns.retrieve": _handle_retrieve,
    "beta.agents.sessions.turns.items.list": _handle_list,
    "beta.agents.sessions.turns.list": _handle_list,
    "beta.agents.sessions.turns.retrieve": _handle_retrieve,
}


_extend_table(_BEHAVIORS, {name: _Behavior(handler=_after_work(handler)) for name, handler in _READ_CALLS.items()})


_extend_table(
    _BEHAVIORS,
    {
        "beta.agents.automations.create": _Behavior(derive=_derive_automation),
        "beta.agents.automations.invocations.create": _Behavior(
            before_answer=_run_automation,
            derive=_derive_invocation,
            store=_store_invocation,
        ),
        "beta.agents.automations.pause": _Behavior(stages=({"status": "paused"},)),
        "beta.agents.automations.resume": _Behavior(stages=({"status": "active"},)),
        "beta.agents.environments.create": _Behavior(derive=_derive_environment, store=_store_environment),
        "beta.agents.environments.files.create": _Behavior(derive=_derive_environment_file),
        "beta.agents.sessions.create": _Behavior(
            is_generated=True,
            is_idempotent=True,
            coerce=_coerce_first_step,
            references={"agent_id": "beta.agents"},
            derive=_derive_session,
            store=_store_session,
            needs_output=_creates_with_input,
            events=_creation_events,
            is_interactive=True,
            get_messages=_session_conversation,
        ),
        "beta.agents.sessions.events.create": _Behavior(
            is_generated=True,
            is_idempotent=True,
            coerce=_coerce_step,
            resume=_submit_input,
            needs_output=_needs_session_output,
            get_messages=_session_conversation,
            status=202,
        ),
        "beta.agents.sessions.events.stream": _Behavior(
            handler=_count_events,
            events=_live_events,
            always_streams=True,
            is_interactive=True,
        ),
        "beta.agents.sessions.update": _Behavior(handler=_update_session),
        "beta.chatkit.sessions.cancel": _Behavior(stages=({"status": "cancelled"},)),
    },
)


# ======================================================================================================================
# VECTOR STORES
# ======================================================================================================================


def _store_vector_store(call: _Call, obj: _JSON, script: _Script) -> None:
    _store_created(call, obj, script)
    _attach_initial_files(call.store, obj["id"], call.body, processed=_sets_file_states(script))


def _create_vector_store(store: StateStore, request_fields: Mapping[str, Any]) -> _JSON:
    """Store a vector store that a request for another object describes, with its files. Return the vector store."""
    obj = _add_related_object(store, "vector_stores", (), _accepted_fields(_sdk_type("VectorStore"), request_fields))
    _attach_initial_files(store, obj["id"], request_fields)
    return obj


def _attach_initial_files(
    store: StateStore, vector_store_id: str, request_fields: Mapping[str, Any], processed: bool = False
) -> None:
    """Store the files in `file_ids` of the request that creates a vector store."""
    for file_id in request_fields.get("file_ids") or ():
        file_fields = {"file_id": file_id, "chunking_strategy": request_fields.get("chunking_strategy")}
        _create_vector_store_file(store, vector_store_id, file_fields, processed)


def _store_vector_store_file(call: _Call, file: _JSON, script: _Script) -> None:
    _insert_vector_store_file(call.store, file, script.sets_state, script.set_fields)


def _list_and_advance(call: _Call) -> Any:
    """Apply the next change of each listed object, as a retrieve does, and return the list.

    Files below a vector store or a batch change with it, so there it is the parent that advances.
    """
    parent = call.resource.parent
    if parent:
        _advance(call.store, parent.name, _to_key(call.parent_ids))
    else:
        for key in list(call.objects):
            _advance(call.store, call.resource.name, key)
    return _handle_list(call)


def _detach_file(store: StateStore, key: Any, file: _JSON) -> None:
    """Remove a deleted file from the counts of its vector store, and from its file batches."""
    _update_file_counts(store, key[0], file, -1)
    batch_files = store["vector_stores.file_batches.files"]
    for batch_key in list(batch_files):  # vector store, batch, file
        if batch_key[::2] == key:
            del batch_files[batch_key]


def _store_file_batch(call: _Call, obj: _JSON, script: _Script) -> None:
    """Store a file batch and its files. Later retrieves process the files, unless the test set their states."""
    _store_created(call, obj, script)
    path = (*call.parent_ids, obj["id"])
    processed = _sets_file_states(script)
    for request_fields in _requested_batch_files(call.body):
        file = _create_vector_store_file(call.store, call.parent_ids[0], request_fields, processed)
        call.store["vector_stores.file_batches.files"][(*path, file["id"])] = file
    state = _file_batch_state(call.store, path)
    if processed:
        obj.update(_with_set_fields(call.store, call.resource.name, path, state))
    else:
        in_progress = {**state, "status": "in_progress"}
        finish = functools.partial(_finish_file_batch, path=path)
        _apply_stages(call.store, call.resource, path, (in_progress, finish))


def _sets_file_states(script: _Script) -> bool:
    """Return True if the test set the states of the files of a new vector store or batch, so they are not processed."""
    return script.sets_state or "file_counts" in script.set_fields


def _requested_batch_files(body: Mapping[str, Any]) -> list[_JSON]:
    """Return a description of each file of a new batch, from either form of the request: `file_ids` or `files`."""
    requested = []
    for file_id in body.get("file_ids") or []:
        requested.append(
            {
                "file_id": file_id,
                "attributes": body.get("attributes"),
                "chunking_strategy": body.get("chunking_strategy"),
            }
        )
    return requested + _only_dicts(body.get("files"))


def _create_vector_store_file(
    store: StateStore, vector_store_id: str, request_fields: Mapping[str, Any], processed: bool = False
) -> _JSON:
    """Store a file of a vector store that a request describes, and return it.

    processed: see `_insert_vector_store_file`.
    """
    fields = _vector_store_file_fields(store, vector_store_id, request_fields)
    file = _new_object("vector_stores.VectorStoreFile", store, fields)
    _insert_vector_store_file(store, file, processed)
    return file


def _vector_store_file_fields(store: StateStore, vector_store_id: str, request_fields: Mapping[str, Any]) -> _JSON:
    """Return the fields of a file in a vector store that follow from a request and from the size of the file."""
    file_id = request_fields.get("file_id")
    attributes = request_fields.get("attributes")
    strategy = request_fields.get("chunking_strategy") or {}
    fields = {
        "vector_store_id": vector_store_id,
        "usage_bytes": len(store["files.content"].get(file_id, b"")),
    }
    if file_id:
        fields["id"] = file_id
    if attributes:
        fields["attributes"] = attributes
    if strategy.get("type") == "static":  # the answer to `auto` is the default, which is static too
        fields["chunking_strategy"] = strategy
    return fields


def _insert_vector_store_file(
    store: StateStore, file: _JSON, processed: bool, set_fields: Mapping[str, Any] = {}
) -> None:
    """Store a file of a vector store, and count it there.

    processed: leave the status of the file as it is. Otherwise the file is in progress, and the next retrieve or list
        of the file or of the vector store completes it.
    """
    files = store["vector_stores.files"]
    vector_store_id = file["vector_store_id"]
    key = (vector_store_id, file["id"])
    if key in files:  # the new file replaces the old one
        _update_file_counts(store, vector_store_id, files[key], -1)
    files[key] = file
    _save_set_fields(store, "vector_stores.files", key, set_fields)
    if processed:
        _update_file_counts(store, vector_store_id, file, 1)
        return
    unprocessed = {"status": "in_progress", "usage_bytes": 0}
    file.update(_with_set_fields(store, "vector_stores.files", key, unprocessed))
    _update_file_counts(store, vector_store_id, file, 1)
    _schedule(store, "vector_stores.files", key, _finish_file_processing)
    if vector_store_id in store["vector_stores"]:
        _schedule(store, "vector_stores", vector_store_id, _process_pending_files)


def _process_pending_files(store: StateStore, vector_store: _JSON) -> _JSON:
    """Apply the next change of each file of a vector store. Return no changes, because each file updates the counts."""
    for key in store._children("vector_stores.files", vector_store["id"]):
        _advance(store, "vector_stores.files", key)
    return {}


def _finish_file_batch(store: StateStore, batch: _JSON, path: tuple[str, ...]) -> _JSON:
    """Apply the next change of each file of a batch, and return the new state of the batch."""
    for vector_store_id, _, file_id in store._children("vector_stores.file_batches.files", *path):
        _advance(store, "vector_stores.files", (vector_store_id, file_id))
    return _file_batch_state(store, path)


def _cancel_file_batch(call: _Call) -> Any:
    """Cancel a batch and those of its files that are in progress. Return the batch, unchanged if it had finished."""
    batch = _require_target(call)
    if batch["status"] == "in_progress":
        for file in call.store._children("vector_stores.file_batches.files", *call.id_path).values():
            if file["status"] == "in_progress":
                _change_file(call.store, file, {"status": "cancelled"})
        cancelled = {**_file_batch_state(call.store, call.id_path), "status": "cancelled"}
        _force_stages(call, (cancelled,))
    return batch


# The extensions of the files that file search reads: text, code and documents, but not tables (.csv, .xlsx) or images.
# All are documented except .jsonl, which the service is not known to fail.
_SEARCHABLE_EXTENSIONS = frozenset(
    (
        ".c",
        ".cpp",
        ".cs",
        ".css",
        ".doc",
        ".docx",
        ".go",
        ".html",
        ".java",
        ".js",
        ".json",
        ".jsonl",
        ".md",
        ".pdf",
        ".php",
        ".pptx",
        ".py",
        ".rb",
        ".sh",
        ".tex",
        ".ts",
        ".txt",
    )
)


def _finish_file_processing(store: StateStore, file: _JSON) -> _JSON:
    """Complete a file, or fail one that file search cannot read. Return no further changes.

    A file without an extension can be read, and so can one that is not in the state.
    """
    filename = store["files"].get(file["id"], {}).get("filename")
    if _file_extension(filename) in _SEARCHABLE_EXTENSIONS | {""}:
        changes = {"status": "completed", "usage_bytes": len(store["files.content"].get(file["id"], b""))}
    else:
        last_error = {"code": "unsupported_file", "message": "The file type is not supported."}
        changes = {"status": "failed", "last_error": last_error}
    _change_file(store, file, changes)
    return {}


def _change_file(store: StateStore, file: _JSON, changes: _JSON) -> None:
    """Change a file of a vector store, and the counts of the vector store with it."""
    vector_store_id = file["vector_store_id"]
    _update_file_counts(store, vector_store_id, file, -1)
    file.update(_with_set_fields(store, "vector_stores.files", (vector_store_id, file["id"]), changes))
    _update_file_counts(store, vector_store_id, file, 1)


def _update_file_counts(store: StateStore, vector_store_id: str, file: Mapping[str, Any], sign: int) -> None:
    """Add a file to the counts and the size of its vector store, or subtract it where `sign` is -1.

    The status of the vector store follows: it is in progress while one of its files is. An expired one stays expired.
    """
    if vector_store_id not in store["vector_stores"]:
        return
    vector_store = _load_object(store, _get_resource("vector_stores"), vector_store_id)
    counts = vector_store["file_counts"]
    file_status = file.get("status", "completed")
    changes = {
        "file_counts": {
            **counts,
            file_status: counts.get(file_status, 0) + sign,
            "total": counts["total"] + sign,
        },
        "usage_bytes": vector_store["usage_bytes"] + sign * file.get("usage_bytes", 0),
        "last_active_at": int(time.time()),
    }
    vector_store.update(_with_set_fields(store, "vector_stores", vector_store_id, changes))
    if vector_store["status"] == "expired":
        return
    is_processing = vector_store["file_counts"]["in_progress"] > 0
    changes = {"status": "in_progress" if is_processing else "completed"}
    changes |= _expiry_from(vector_store, _get_dict(vector_store, "expires_after"))
    vector_store.update(_with_set_fields(store, "vector_stores", vector_store_id, changes))


def _file_batch_state(store: StateStore, path: tuple[str, ...]) -> _JSON:
    """Return the status of a batch after its processing, and the counts of those files that are still stored."""
    files = store._children("vector_stores.file_batches.files", *path).values()
    counts = dict.fromkeys(("cancelled", "completed", "failed", "in_progress"), 0)
    counts |= collections.Counter(file["status"] for file in files)
    counts["total"] = len(files)
    return {"status": "completed", "file_counts": counts}


def _vector_store_file_content(call: _Call) -> Any:
    _require_parents(call)
    text = _file_text(call.store, call.parent_ids[-1])
    page = _make_page(call.row, [{"type": "text", "text": text}])
    return page | {"object": "vector_store.file_content.page", "next_page": None}


def _search_vector_store(call: _Call) -> Any:
    """Return a page of those chunks of the files that share words with the query, best first."""
    query = call.body.get("query") or ""
    queries = query if isinstance(query, list) else [query]
    hits = _search_files(call.store, [call.item_id], queries, call.body)
    page = _make_page(call.row, hits[: call.get_int("max_num_results", 10)])

    search_query = queries
    if call.body.get("rewrite_query"):
        search_query = [" ".join(_split_words(query)) for query in queries]
    return page | {"object": "vector_store.search_results.page", "search_query": search_query, "next_page": None}


def _search_files(
    store: StateStore, vector_store_ids: Iterable[str], queries: Iterable[str], options: Mapping[str, Any]
) -> list[_JSON]:
    """Return a search result for every chunk of files in vector stores that shares words with the queries, best first.

    options: the `filters` and the `ranking_options` of a request or of a file search tool, if it has any. Raises the 400
        of an invalid filter.
    """
    words = _split_words(" ".join(queries))
    min_score = _get_dict(options, "ranking_options").get("score_threshold") or 0
    chunks = []
    for vector_store_id in vector_store_ids:
        for file in _searchable_files(store, vector_store_id, options.get("filters")):
            for chunk in _split_chunks(file, _file_text(store, file["id"])):
                chunks.append((file, chunk))
    hits = []
    for score, position in _rank_texts(words, [_split_words(chunk) for _, chunk in chunks]):
        if score <= 0 or score < min_score:
            break
        file, chunk = chunks[position]
        hits.append(
            {
                "file_id": file["id"],
                "filename": _stored_filename(store, file["id"]),
                "attributes": file.get("attributes") or {},
                "score": score,
                "content": [{"type": "text", "text": chunk}],
            }
        )
    return hits


def _searchable_files(store: StateStore, vector_store_id: str, condition: Any) -> list[_JSON]:
    """Return the files of a vector store that can be read and pass a filter, or no files if there is no such store.

    condition: see `_passes_filter`.
    """
    stored = _load_child_objects(store, "vector_stores.files", vector_store_id)
    readable = [file for file in stored if file["status"] not in ("failed", "cancelled")]
    return [file for file in readable if _passes_filter(condition, file.get("attributes") or {})]


def _passes_filter(condition: Any, attributes: Mapping[str, Any]) -> bool:
    """Return True if the attributes of a file pass a filter, or if there is no filter.

    condition: a comparison with `type`, `key` and `value`, or `filters` joined by `and` or `or`. Raises the 400 of an
        invalid one.
    """
    if not condition:
        return True
    filter_type = condition.get("type") if isinstance(condition, dict) else None
    if filter_type == "and":
        return all(_passes_filter(part, attributes) for part in condition.get("filters") or ())
    if filter_type == "or":
        return any(_passes_filter(part, attributes) for part in condition.get("filters") or ())
    compare = _COMPARISONS.get(str(filter_type))
    if compare is None:
        _reject(f"Invalid filter type: '{filter_type}'.", "filters")
    if not {"key", "value"} <= condition.keys():
        _reject(f"Invalid filter: {_short_repr(condition)} needs 'key' and 'value'.", "filters")
    if condition["key"] not in attributes:
        return condition["type"] in ("ne", "nin")
    try:
        return compare(attributes[condition["key"]], condition["value"])
    except TypeError:
        _reject(f"Invalid filter value for '{condition['key']}': {condition['value']!r}.", "filters")


def _split_chunks(file: Mapping[str, Any], text: str) -> list[str]:
    """Split the text of a file by its chunking strategy, with four characters per token."""
    strategy = (file.get("chunking_strategy") or {}).get("static") or {}
    size = 4 * strategy.get("max_chunk_size_tokens", 800)
    overlap = 4 * strategy.get("chunk_overlap_tokens", 400)
    step = max(size - overlap, 1)
    end = max(len(text) - overlap, 1)  # what follows is in the overlap of the last chunk; an empty text is one chunk
    return [text[start : start + size] for start in range(0, end, step)]


def _rank_texts(query: list[str], texts: list[list[str]]) -> list[tuple[float, int]]:
    """Return the score and the position of each text, best first.

    query: the words of the query.
    texts: the words of each text.
    A score is the share of the query that is in the text, from 0 to 1. A word that is in few of the texts weighs more.
    """
    word_sets = [set(text) for text in texts]
    weights: dict[str, float] = {}
    missing_weight = 0  # a word that is in none of the texts weighs 1
    for word in set(query):
        text_count = sum(word in words for words in word_sets)
        if text_count:
            weights[word] = math.log(1 + len(texts) / text_count)
        else:
            missing_weight += 1
    total_weight = sum(weights.values()) + missing_weight or 1
    ranked = []
    for position, words in enumerate(word_sets):
        weight = sum(weights[word] for word in weights.keys() & words)
        ranked.append((round(weight / total_weight, 6), position))
    return sorted(ranked, key=lambda pair: (-pair[0], pair[1]))


def _split_words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


_extend_table(
    _RESOURCES,
    {
        "vector_stores": {
            "not_found_message": "Vector store with id '{id}' not found.",
            "on_expire": _mark_expired,
        },
        "vector_stores.files": {"on_delete": _detach_file},
    },
)


_extend_table(
    _ID_PREFIXES,
    {
        "VectorStore": "vs_",
        "VectorStoreFile": "file-",
        "VectorStoreFileBatch": "vsfb_",
    },
)


_extend_table(
    _DEFAULTS_BY_SDK_MODEL,
    {
        "VectorStore": {
            "metadata": {},
            "last_active_at": _Timestamp(),
        },
        "VectorStoreFile": {
            "attributes": {},
            "chunking_strategy": {
                "type": "static",
                "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400},
            },
        },
    },
)


_extend_table(
    _IMPLIED_FIELDS,
    {
        "FileCounts": _implied_by_counts,
    },
)


_extend_table(
    _BEHAVIORS,
    {
        "vector_stores.create": _Behavior(
            references={"file_ids": "files"},
            derive=_requested_expiry,
            store=_store_vector_store,
        ),
        "vector_stores.file_batches.cancel": _Behavior(handler=_cancel_file_batch),
        "vector_stores.file_batches.create": _Behavior(
            references={"file_ids": "files", "files": "files"},
            store=_store_file_batch,
        ),
        "vector_stores.file_batches.list_files": _Behavior(handler=_list_and_advance),
        "vector_stores.files.content": _Behavior(handler=_vector_store_file_content),
        "vector_stores.files.create": _Behavior(
            references={"file_id": "files"},
            derive=lambda call, file: _vector_store_file_fields(call.store, call.parent_ids[0], call.body),
            store=_store_vector_store_file,
        ),
        "vector_stores.files.list": _Behavior(handler=_list_and_advance),
        "vector_stores.list": _Behavior(handler=_list_and_advance),
        "vector_stores.search": _Behavior(
            check=_require_target,
            handler=_search_vector_store,
        ),
    },
)


# ======================================================================================================================
# BATCHES
# ======================================================================================================================


def _derive_batch(call: _Call, obj: _JSON) -> _JSON:
    """Return the expiry and the request counts of a new batch, or nothing if the test set a final status."""
    if obj["status"] in _FINAL_STATUSES:
        return {}
    return {
        "expires_at": obj["created_at"] + 86400,
        "request_counts": {"total": len(_file_lines(call.store, obj["input_file_id"])), "completed": 0, "failed": 0},
    }


def _start_batch(store: StateStore, batch: _JSON) -> _JSON:
    """Read the input file of a batch. Return the changes that start the batch, or fail it if the file has faults.

    A batch whose input file has no content in the state starts without requests. The test set the batch, or put the
    file into the state by hand.
    """
    started = {"status": "in_progress", "in_progress_at": _Timestamp()}
    file_id = batch["input_file_id"]
    if file_id not in store["files.content"]:
        return started
    lines = _file_lines(store, file_id)
    requests = {}
    for number, line in lines.items():
        with contextlib.suppress(_ServiceError):
            requests[number] = _decode_json_object(line.encode())

    faults = _find_batch_faults(lines, requests, batch["endpoint"])
    if faults:
        _schedule(store, "batches", batch["id"])  # a failed batch doesn't change any more
        return {
            "status": "failed",
            "failed_at": _Timestamp(),
            "errors": {"object": "list", "data": [fault._asdict() for fault in faults]},
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
        }
    metadata = store._ensure_metadata("batches", batch["id"])
    metadata.requests = list(requests.values())
    return {**started, "model": metadata.requests[0]["body"].get("model")}


async def _answer_batch_lines(call: _Call, wait: _Wait) -> None:
    """Answer the lines of a batch that this retrieve finishes, and keep the results in the metadata of the batch.

    The answers may take time, so this runs without the lock of the state. The batch is paused meanwhile: a retrieve at
    the same time does not change it.
    """
    metadata = call.store._get_metadata("batches", call.key) or _Metadata()
    with call.store.lock:
        if metadata.on_hold or metadata.pending != [_finish_batch] or call.key not in call.objects:
            return
        metadata.on_hold = True
    try:
        metadata.results = [await _answer_batch_request(call, request, wait) for request in metadata.requests]
    finally:
        metadata.on_hold = False


def _finish_batch(store: StateStore, batch: _JSON) -> _JSON:
    """Write the results of a batch to an output file and an error file. Return the changes of the batch."""
    metadata = store._ensure_metadata("batches", batch["id"])
    results = metadata.results
    metadata.results = []
    succeeded = []
    failed = []
    for result in results:
        response = result["response"] or {}
        if response.get("status_code") == 200:
            succeeded.append(result)
        else:
            failed.append(result)
    changes = {
        "status": "completed",
        "completed_at": _Timestamp(),
        "finalizing_at": _Timestamp(),
        "request_counts": {"total": len(results), "completed": len(succeeded), "failed": len(failed)},
    }
    for result_type, file_results in (("output", succeeded), ("error", failed)):
        field = f"{result_type}_file_id"
        if file_results and not batch.get(field):  # a file that the test set stays
            changes[field] = _add_results_file(store, batch, result_type, file_results)
    bodies = _only_dicts([result["response"]["body"] for result in succeeded])
    models = [body["model"] for body in bodies if isinstance(body.get("model"), str)]
    if models:  # otherwise the batch keeps the model of its requests
        changes["model"] = models[0]
    return changes | {"usage": _sum_batch_usage(bodies)}


def _add_results_file(store: StateStore, batch: Mapping[str, Any], result_type: str, results: list[_JSON]) -> str:
    """Store a JSONL file with results of a batch, and return its id."""
    data = _encode_utf8("".join(f"{_json_encode(result)}\n" for result in results))
    file = _new_file(store, f"{batch['id']}_{result_type}.jsonl", data, "batch_output")
    _store_file(store, file, data)
    return file["id"]


def _sum_batch_usage(bodies: Iterable[_JSON]) -> _JSON:
    """Return the usage of a batch: the tokens of all its answers."""
    input_tokens = 0
    total_tokens = 0
    for body in bodies:
        usage = _get_dict(body, "usage")
        for name in ("input_tokens", "prompt_tokens"):  # by the endpoint, a body has one or the other
            if isinstance(usage.get(name), int):
                input_tokens += usage[name]
        if isinstance(usage.get("total_tokens"), int):
            total_tokens += usage["total_tokens"]
    counts = {
        "input_tokens": input_tokens,
        "output_tokens": total_tokens - input_tokens,
        "total_tokens": total_tokens,
    }
    return _default_value(_sdk_type("BatchUsage")) | counts


async def _answer_batch_request(call: _Call, request: _JSON, wait: _Wait) -> _JSON:
    """Return the result of one line: the response of the endpoint that it names, or the error that prevented one."""
    result: _JSON = {
        "id": call.store._new_id("batch_req_"),
        "custom_id": request["custom_id"],
        "response": None,
        "error": None,
    }
    try:
        response = await _answer(_batch_request_call(call, request), wait)
        body = _decode_line_body(response.read())
    except (_ServiceError, _SetFault) as error:  # any other exception is a mistake in the test
        result["error"] = {"code": _line_error_code(error), "message": str(error) or repr(error)}
        return result
    result["response"] = {
        "status_code": response.status_code,
        "request_id": response.headers.get("x-request-id", ""),
        "body": body,
    }
    return result


_API_KEY_HEADERS = ("authorization", "api-key")


def _batch_request_call(call: _Call, request: _JSON) -> _Call:
    """Build the call that a line of a batch describes. Raises the 400 of an unknown URL.

    call: the retrieve of the batch. Lines have no API key, so they are sent with the key of this call.
    """
    method = str(request["method"])
    path = _batch_path(request["url"])
    row_and_params = _find_row(method, path)
    if row_and_params is None:
        _reject(f"Invalid URL ({method} {request['url']})", "url", "invalid_url")
    row, params = row_and_params
    headers = {name: call.request.headers[name] for name in _API_KEY_HEADERS if name in call.request.headers}
    url = f"{call.mock._bases[0]}{path}"
    return _Call(call.mock, row, params, httpx.Request(method, url, headers=headers, json=request["body"]))


def _line_error_code(error: _ServiceError | _SetFault) -> str:
    """Return the service's error code for a line whose request raised an exception."""
    if isinstance(error, _SetFault):
        return "network_error"
    return error.envelope["code"] or "invalid_request"


def _decode_line_body(content: bytes) -> Any:
    """Return the JSON of a response to a line. Raises `_ServiceError` for any other response, such as speech."""
    try:
        return json.loads(content)
    except ValueError as error:
        raise _ServiceError(500, str(error), type="server_error", code="server_error") from None


def _implied_by_request_counts(counts: _JSON, explicit: Mapping[str, Any]) -> _JSON:
    """Return the total of a batch's counts: at least the answered requests, because the others have no count."""
    answered = (counts.get("completed") or 0) + (counts.get("failed") or 0)
    return {"total": max(counts.get("total") or 0, answered)}


# ---- faults of an input file -----------------------------------------------------------------------------------------


class _BatchFault(NamedTuple):
    """A fault of an input file. A batch with such a file fails, and none of its lines is answered."""

    line: int | None  # the number of the line, or None for a fault of the whole file
    code: str
    message: str
    param: str | None = None


def _find_batch_faults(lines: Mapping[int, str], requests: Mapping[int, _JSON], endpoint: str) -> list[_BatchFault]:
    """Return the faults of an input file, in the order of its lines.

    lines: all lines by their numbers.
    requests: the requests in those lines that are JSON objects, by the numbers of the lines.
    endpoint: the endpoint of the batch.
    """
    if not lines:
        message = "The input file is empty. Please ensure that your batch contains at least one request."
        return [_BatchFault(None, "empty_file", message)]
    faults = []
    for number in lines.keys() - requests.keys():
        faults.append(_BatchFault(number, "invalid_json_line", "This line is not parseable as valid JSON."))
    for find_faults in _BATCH_CHECKS:
        faults.extend(find_faults(requests, endpoint))
    return sorted(faults, key=lambda fault: fault.line or 0)


def _find_missing_fields(requests: Mapping[int, _JSON], endpoint: str) -> Iterator[_BatchFault]:
    """Yield a fault for each field that a line lacks."""
    for number, request in requests.items():
        for name in ("custom_id", "method", "url", "body"):
            if request.get(name) is None:
                message = f"Missing required parameter: '{name}'."
                yield _BatchFault(number, "missing_required_parameter", message, name)


def _find_incomplete_bodies(requests: Mapping[int, _JSON], endpoint: str) -> Iterator[_BatchFault]:
    """Yield a fault for each body that is not an object, or that lacks the model or the messages.

    Any other fault of a body is found when its line is answered, and fails that line only.
    """
    endpoint_params: Iterable[str] = ()
    row_and_params = _find_row("POST", _batch_path(endpoint))
    if row_and_params:
        endpoint_params = _sdk_method(row_and_params[0].name)[1]
    required_params = [name for name in ("model", "messages") if name in endpoint_params]
    for number, request in requests.items():
        body = request.get("body")
        if body is None:  # a missing field
            continue
        if not isinstance(body, dict):
            message = f"Invalid body: expected an object, but got {type(body).__name__}"
            yield _BatchFault(number, "invalid_request", message, "body")
            continue
        for name in required_params:
            if body.get(name) is None:
                message = f"{name.capitalize()} parameter is required."
                yield _BatchFault(number, "invalid_request", message, f"body.{name}")


# How messages about streams begin, by endpoint. The service's beginnings for other endpoints are not known.
_STREAM_FAULT_PREFIXES = {"/chat/completions": "Chat Completions: "}


def _find_streams(requests: Mapping[int, _JSON], endpoint: str) -> Iterator[_BatchFault]:
    """Yield a fault for each line that asks for a stream."""
    prefix = _STREAM_FAULT_PREFIXES.get(_batch_path(endpoint), "")
    for number, request in requests.items():
        if _get_dict(request, "body").get("stream"):
            message = f"{prefix}Streaming is not supported in the Batch API."
            yield _BatchFault(number, "streaming_unsupported", message, "body.stream")


def _find_equal_ids(requests: Mapping[int, _JSON], endpoint: str) -> Iterator[_BatchFault]:
    """Yield a fault for each line with the `custom_id` of an earlier line."""
    earlier_ids = set()
    for number, custom_id in _line_values(requests, "custom_id"):
        if custom_id in earlier_ids:
            message = (
                f"The custom_id '{custom_id}' for this request is a duplicate of another request. "
                "The custom_id parameter must be unique for each request in a batch."
            )
            yield _BatchFault(number, "duplicate_custom_id", message, "custom_id")
        earlier_ids.add(custom_id)


def _find_other_urls(requests: Mapping[int, _JSON], endpoint: str) -> Iterator[_BatchFault]:
    """Yield a fault for each line whose URL is not the endpoint of the batch."""
    paths = {number: _batch_path(url) for number, url in _line_values(requests, "url")}
    code = "invalid_url"  # of a file whose lines agree
    if len(set(paths.values())) > 1:
        code = "url_mismatch"
    for number, path in paths.items():
        if path != _batch_path(endpoint):
            message = "The URL provided for this request does not match the batch endpoint."
            yield _BatchFault(number, code, message, "url")


def _find_other_models(requests: Mapping[int, _JSON], endpoint: str) -> Iterator[_BatchFault]:
    """Yield a fault for each line with another model than the first line that has one."""
    bodies = {number: _get_dict(request, "body") for number, request in requests.items()}
    models = dict(_line_values(bodies, "model"))
    for number, model in models.items():
        if model != next(iter(models.values())):
            message = (
                f"The model '{model}' for this request does not match the rest of the batch. "
                "Each batch must contain requests for a single model."
            )
            yield _BatchFault(number, "model_mismatch", message, "body.model")


def _line_values(requests: Mapping[int, _JSON], name: str) -> Iterator[tuple[int, str]]:
    """Yield the number of each line that has a field, and the value of the field as a string."""
    for number, request in requests.items():
        if request.get(name) is not None:
            yield number, str(request[name])


def _batch_path(url: Any) -> str:
    """Return the path below the base URL of the API. Azure's lines and endpoints lack the version."""
    return str(url).removeprefix("/v1")


# The functions that find faults. Each gets the requests of a file by the numbers of their lines, and the endpoint.
_BATCH_CHECKS: Sequence[Callable[[Mapping[int, _JSON], str], Iterator[_BatchFault]]] = (
    _find_missing_fields,
    _find_incomplete_bodies,
    _find_streams,
    _find_equal_ids,
    _find_other_urls,
    _find_other_models,
)


# ---- rows of this API ------------------------------------------------------------------------------------------------


_extend_table(
    _RESOURCES,
    {
        "batches": {"not_found_message": "No batch found with id '{id}'."},
    },
)


_extend_table(
    _DEFAULTS_BY_SDK_MODEL,
    {
        "Batch": {
            "status": "validating",
            "request_counts": {},
            "usage": {},
        },
    },
)


_extend_table(
    _IMPLIED_FIELDS,
    {
        "BatchRequestCounts": _implied_by_request_counts,
    },
)


_extend_table(
    _BEHAVIORS,
    {
        "batches.cancel": _Behavior(
            check=_check_cancellable,
            stages=(
                {"status": "cancelling", "cancelling_at": _Timestamp()},
                {"status": "cancelled", "cancelled_at": _Timestamp()},
            ),
        ),
        "batches.create": _Behavior(
            references={"input_file_id": "files"},
            derive=_derive_batch,
            stages=(
                {},
                _start_batch,
                _finish_batch,
            ),
        ),
        "batches.retrieve": _Behavior(before_answer=_answer_batch_lines),
    },
)


# ======================================================================================================================
# FINE-TUNING AND MODELS
# ======================================================================================================================


_AUTO_HYPERPARAMETERS = {
    "batch_size": "auto",
    "learning_rate_multiplier": "auto",
    "n_epochs": "auto",
}


def _derive_fine_tuning_job(call: _Call, job: _JSON) -> _JSON:
    """Return the `hyperparameters` of a job if the request sets them in its `method`. A job has them in both places."""
    method = call.body.get("method") or {}
    method_settings = _get_dict(method, str(method.get("type")))
    requested = _get_dict(method_settings, "hyperparameters")
    if not requested:
        return {}
    return {"hyperparameters": {name: requested.get(name, auto) for name, auto in _AUTO_HYPERPARAMETERS.items()}}


def _check_training_files(call: _Call) -> None:
    """The training file and any validation file must exist."""
    for param in ("training_file", "validation_file"):
        id = call.body.get(param)
        if id and id not in call.store["files"]:
            _reject(f"invalid {param}: {id}", param)


def _store_fine_tuning_job(call: _Call, job: _JSON, script: _Script) -> None:
    _store_created(call, job, script)
    _add_job_event(call.store, job, f"Created fine-tuning job: {job['id']}")


def _change_job_status(store: StateStore, job: _JSON, status: str, message: str) -> _JSON:
    """Add an event with a message to a job. Return the new status as the change of the job."""
    _add_job_event(store, job, message)
    return {"status": status}


def _finish_fine_tuning_job(store: StateStore, job: _JSON) -> _JSON:
    """Store the checkpoint, the model and the last event of a job. Return the changes of the job."""
    name = job.get("fine_tuned_model")  # the test may have set it
    if not name:
        suffix = job.get("user_provided_suffix") or ""
        name = f"ft:{job['model']}:{job['organization_id']}:{suffix}:{job['id'].removeprefix('ftjob-')}"
    checkpoint = {"fine_tuning_job_id": job["id"], "fine_tuned_model_checkpoint": name, "step_number": 100}
    _add_related_object(store, "fine_tuning.jobs.checkpoints", (job["id"],), checkpoint)
    store["models"][name] = _model_object(name, int(time.time()), job["organization_id"])
    _add_job_event(store, job, "The job has successfully completed")
    return {
        "status": "succeeded",
        "fine_tuned_model": name,
        "finished_at": _Timestamp(),
        "trained_tokens": _count_tokens(_file_text(store, job["training_file"])),
    }


def _add_job_event(store: StateStore, job: Mapping[str, Any], message: str) -> None:
    _add_related_object(store, "fine_tuning.jobs.events", (job["id"],), {"message": message, "type": "message"})


def _check_job_not_final(call: _Call) -> None:
    """A finished job cannot be paused."""
    job = _require_target(call)
    if job["status"] in _FINAL_STATUSES:
        _reject(f"Cannot pause a job with status '{job['status']}'.")


def _check_job_paused(call: _Call) -> None:
    """Only a paused job can be resumed."""
    job = _require_target(call)
    if not call.store._ensure_metadata("fine_tuning.jobs", call.key).on_hold:
        _reject(f"Cannot resume a job with status '{job['status']}': it is not paused.")


def _set_job_paused(call: _Call, paused: bool) -> Any:
    """Hold or release the pending changes of a job, and return the job."""
    call.store._ensure_metadata("fine_tuning.jobs", call.key).on_hold = paused
    return _require_target(call)


# The types of the SDK that list model names.
_SDK_MODEL_LITERALS = (
    "ChatModel",
    "shared.ResponsesModel",
    "EmbeddingModel",
    "ModerationModel",
    "AudioModel",
    "audio.SpeechModel",
    "ImageModel",
    "VideoModel",
)


def _initial_models() -> _JSON:
    """Return a model object for each model name in the SDK's types, by name."""
    literals = [_sdk_type(path) for path in _SDK_MODEL_LITERALS]
    literals.append(_param_types("completions.create")["model"])
    models = {}
    for literal in literals:
        for name in _literal_values(literal):
            models[name] = _model_object(name, 1687882411, "openai")
    return models


def _model_object(name: str, created: int, owner: str) -> _JSON:
    return {"id": name, "object": "model", "created": created, "owned_by": owner}


def _check_model_deletable(call: _Call) -> None:
    """Only models that you own can be deleted."""
    if _require_target(call).get("owned_by") in ("openai", "system"):
        _reject("You have insufficient permissions for this operation.", status=403)


def _derive_permissions(call: _Call, obj: _JSON) -> _JSON:
    """Return a page with a new permission for each project in the request."""
    path = "fine_tuning.checkpoints.PermissionCreateResponse"
    project_ids = _find_ids(call.body.get("project_ids"))
    return {"data": [_new_object(path, call.store, {"project_id": project_id}) for project_id in project_ids]}


_extend_table(
    _RESOURCES,
    {
        "fine_tuning.checkpoints.permissions": {"paging": ("desc", 10, 100)},
        "fine_tuning.jobs": {
            "param_aliases": {"suffix": "user_provided_suffix"},
            "not_found_message": "Could not find fine tune: {id}",
            "not_found_code": "fine_tune_not_found",
            "not_found_param": "fine_tune_id",
        },
        "fine_tuning.jobs.checkpoints": {"paging": ("desc", 10, 100)},
        "models": {
            "paging": ("asc", 10_000, 10_000),
            "not_found_message": "The model '{id}' does not exist",
            "not_found_code": "model_not_found",
            "not_found_param": "model",
            "initial_objects": _initial_models,
        },
    },
)


_extend_table(
    _ID_PREFIXES,
    {
        "FineTuningJob": "ftjob-",
        "FineTuningJobCheckpoint": "ftckpt_",
        "FineTuningJobEvent": "ftevent-",
        "PermissionCreateResponse": "cp_",
    },
)


_extend_table(
    _DEFAULTS_BY_SDK_MODEL,
    {
        "fine_tuning.alpha.Metadata": {"sampled_model_name": None, "token_usage": None},
        "MetadataErrors": {
            "model_grader_server_error_details": None,
            "python_grader_runtime_error_details": None,
            "python_grader_server_error_type": None,
        },
        "Hyperparameters": _AUTO_HYPERPARAMETERS,
        "FineTuningJob": {
            "status": "validating_files",
            "hyperparameters": {},
            "integrations": [],
            "shared_with_openai": False,
            "eval_id": None,
            "usage_metrics": None,
            "user_provided_suffix": None,
            "method": {"type": "supervised", "supervised": {"hyperparameters": _AUTO_HYPERPARAMETERS}},
        },
    },
)


_extend_table(
    _BEHAVIORS,
    {
        "fine_tuning.checkpoints.permissions.create": _Behavior(
            derive=_derive_permissions,
            store=_store_page_items,
            stores_answer=False,
        ),
        "fine_tuning.jobs.cancel": _Behavior(
            check=_check_cancellable,
            stages=({"status": "cancelled"},),
        ),
        "fine_tuning.jobs.create": _Behavior(
            check=_check_training_files,
            derive=_derive_fine_tuning_job,
            store=_store_fine_tuning_job,
            stages=(
                {},
                functools.partial(
                    _change_job_status,
                    status="queued",
                    message="Files validated, moving job to queued state",
                ),
                functools.partial(
                    _change_job_status,
                    status="running",
                    message="Fine-tuning job started",
                ),
                _finish_fine_tuning_job,
            ),
        ),
        "fine_tuning.jobs.pause": _Behavior(
            check=_check_job_not_final,
            handler=functools.partial(_set_job_paused, paused=True),
        ),
        "fine_tuning.jobs.resume": _Behavior(
            check=_check_job_paused,
            handler=functools.partial(_set_job_paused, paused=False),
        ),
        "models.delete": _Behavior(check=_check_model_deletable),
    },
)


# ======================================================================================================================
# AUDIO AND IMAGES
# ======================================================================================================================


# The default transcript or translation in each format that is not JSON.
_DEFAULT_CAPTIONS = {
    "srt": f"1\n00:00:00,000 --> 00:00:01,000\n{_DEFAULT_TEXT}\n\n\n",
    "text": f"{_DEFAULT_TEXT}\n",
    "vtt": f"WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n{_DEFAULT_TEXT}\n\n",
}


# Codes of ISO 639-1, and the two languages without one that Whisper knows: Hawaiian and Cantonese.
_LANGUAGE_PATTERN = r"[A-Za-z]{2}|haw|yue"


# The types of the files that are transcribed and translated.
_AUDIO_FILE_TYPES = ["flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "oga", "ogg", "wav", "webm"]


def _check_audio_file(call: _Call) -> None:
    """A file must be of a type with audio. A file whose name has no extension may be of any type."""
    filename, _, _ = _uploaded_file(call.body.get("file"))
    extension = _file_extension(filename)
    if extension and extension[1:] not in _AUDIO_FILE_TYPES:
        _reject(f"Unrecognized file format. Supported formats: {_AUDIO_FILE_TYPES}")


def _check_transcription(call: _Call) -> None:
    """The file must have audio, and the language must be a code."""
    _check_audio_file(call)
    _check_language(call)


def _check_language(call: _Call) -> None:
    """The language must be a code."""
    language = call.body.get("language")
    if language is not None and not re.fullmatch(_LANGUAGE_PATTERN, str(language)):
        message = f"Invalid language '{language}'. Language parameter must be specified in ISO-639-1 format."
        _reject(message, "language", "invalid_language_format")


def _default_captions(call: _Call) -> str | None:
    return _DEFAULT_CAPTIONS.get(str(call.body.get("response_format")))


def _derive_transcription(call: _Call, obj: Any) -> _JSON:
    """Return the fields of a JSON transcript that depend on the request: usage, log probabilities, segments, words."""
    response_format = call.body.get("response_format")
    fields = _fields_of(call.response_type) if isinstance(obj, dict) else {}
    derived = {}
    if "usage" in fields:
        derived["usage"] = _audio_usage(call, obj)
    if "logprobs" in fields and "logprobs" in (call.body.get("include") or ()):
        derived["logprobs"] = _fake_logprobs(obj["text"])
    if response_format == "diarized_json":
        segment = {
            "id": "seg_0",
            "type": "transcript.text.segment",
            "speaker": "A",
            "start": 0.0,
            "end": obj["duration"],
            "text": obj["text"],
        }
        derived["segments"] = obj["segments"] or [segment]
    if response_format == "verbose_json":
        derived |= _transcript_timestamps(call, obj)
    return derived


def _audio_usage(call: _Call, transcript: Mapping[str, Any]) -> _JSON:
    """Return the usage of a transcription: its seconds for Whisper, otherwise its tokens.

    A second of audio counts as ten tokens.
    """
    seconds = math.ceil(transcript.get("duration") or 1)
    is_whisper = str(call.body.get("model")).startswith("whisper")
    if is_whisper or call.body.get("response_format") == "verbose_json":  # a format that only Whisper has
        return {"type": "duration", "seconds": seconds}
    text_tokens = _count_tokens(str(call.body.get("prompt") or ""))
    audio_tokens = 10 * seconds
    output_tokens = _count_tokens(transcript["text"])
    return {
        "type": "tokens",
        "input_tokens": text_tokens + audio_tokens,
        "input_token_details": {"text_tokens": text_tokens, "audio_tokens": audio_tokens},
        "output_tokens": output_tokens,
        "total_tokens": text_tokens + audio_tokens + output_tokens,
    }


def _transcript_timestamps(call: _Call, transcript: Mapping[str, Any]) -> _JSON:
    """Return the timed words and the segments of a transcript, those that `timestamp_granularities` requests.

    All words have the same duration, and there is one segment.
    """
    granularities = call.body.get("timestamp_granularities") or ["segment"]
    text = transcript["text"]
    duration = transcript["duration"]
    timestamps = {}
    if "word" in granularities:
        words = text.split()
        word_duration = duration / (len(words) or 1)
        timestamps["words"] = [
            {"word": word, "start": i * word_duration, "end": (i + 1) * word_duration} for i, word in enumerate(words)
        ]
    if "segment" in granularities:
        segment = {
            **_default_value(_sdk_type("audio.TranscriptionSegment")),
            "id": 0,
            "avg_logprob": -0.1,
            "text": f" {text}",
            "start": 0.0,
            "end": duration,
            "tokens": list(range(_count_tokens(text))),
        }
        timestamps["segments"] = [segment]
    return timestamps


def _image_from_bytes(value: Any) -> _JSON | None:
    """Return a partial of ImagesResponse with one image from its bytes, or None for other values."""
    if not isinstance(value, bytes):
        return None
    return {"data": [{"b64_json": base64.b64encode(value).decode()}]}


# The content types of the images that models edit, by the extension of a file.
_IMAGE_FILE_TYPES = {
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}


def _check_images(call: _Call) -> None:
    """Uploaded images must be of a supported type, and the settings of the output must fit each other.

    A file whose name has no extension may be of any type.
    """
    for param in ("image", "mask"):
        value = call.body.get(param)
        for file in value if isinstance(value, list) else [value]:
            filename, _, content_type = _uploaded_file(file)
            extension = _file_extension(filename)
            if extension and extension not in _IMAGE_FILE_TYPES and content_type not in _IMAGE_FILE_TYPES.values():
                supported = _enumeration([repr(name) for name in dict.fromkeys(_IMAGE_FILE_TYPES.values())])
                message = f"Invalid file '{param}': unsupported mimetype ('{content_type}')."
                _reject(f"{message} Supported file formats are {supported}.", param, "unsupported_file_mimetype")

    for path, url in _values_at(call.body, "images[].image_url"):
        if _file_extension(str(url).partition("?")[0]) == ".svg":
            _reject_image("Invalid image data.", _format_path(path), "invalid_image_file")

    output_format = call.body.get("output_format") or "png"
    if call.body.get("background") == "transparent" and output_format == "jpeg":
        _reject_image("Transparent background is not supported for JPEG output format", "background", "invalid_value")
    compression = call.body.get("output_compression")
    if output_format == "png" and compression is not None and _to_int("output_compression", compression) < 100:
        message = "Compression less than 100 is not supported for PNG output format"
        _reject_image(message, None, "invalid_png_output_compression")


def _reject_image(message: str, param: str | None, code: str) -> typing.NoReturn:
    """Raise the 400 of an image that cannot be read or made."""
    raise _ServiceError(400, message, type="image_generation_user_error", param=param, code=code)


def _derive_images(call: _Call, obj: _JSON) -> _JSON:
    """Return the images that the request asks for, with their settings and usage if the model is a GPT image model.

    A single image that the test set is repeated `n` times. Images without a URL or data get the default image.
    """
    response_format = call.body.get("response_format")
    model = str(call.body.get("model", ""))
    wants_url = response_format == "url" or (model.startswith("dall-e") and response_format != "b64_json")
    if wants_url and not call.wants_stream:
        default_image = {"url": "https://example.com/image.png"}
    else:
        default_image = {"b64_json": _blank_image(obj.get("output_format"), obj.get("background"))}
    if model == "dall-e-3":  # the service has another model rewrite the prompt for this one
        default_image["revised_prompt"] = str(call.body.get("prompt"))

    images = obj["data"] or []
    if len(images) == 1:
        images = images * call.get_int("n", 1)
    data = []
    for image in images:
        has_content = image.get("url") or image.get("b64_json")
        data.append(image if has_content else {**image, **default_image})

    if model.startswith("gpt-image"):
        return {"data": data, **_image_settings_and_usage(call, len(data))}
    return {"data": data, "size": None}  # without `None`, the answer would repeat the `size` of the request


def _image_settings_and_usage(call: _Call, count: int) -> _JSON:
    """Return the settings of generated images, from the request or by default, and the usage for so many images."""
    requested = {}
    for name in _IMAGE_DEFAULTS:
        if name in call.body and call.body[name] != "auto":
            requested[name] = call.body[name]
    settings = _accepted_fields(call.response_type, requested)  # without values that the types of the SDK do not accept
    text_tokens = _count_tokens(_extract_text(call.body.get("prompt")))
    image_tokens = 4160 * count
    usage = {
        "input_tokens": text_tokens,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": text_tokens},
        "output_tokens": image_tokens,
        "output_tokens_details": {"image_tokens": image_tokens, "text_tokens": 0},
        "total_tokens": text_tokens + image_tokens,
    }
    return {**_IMAGE_DEFAULTS, **settings, "usage": usage}


def _image_events(call: _Call, images: _JSON, chunk: int | None, event_prefix: str) -> Iterator[_Event]:
    """Yield the events of each image: as many partial images as the request asks for, then the completed image."""
    settings = {
        "background": "auto",
        "output_format": "png",
        "quality": "auto",
        "size": "auto",
    }
    for name in settings:
        if images.get(name):
            settings[name] = images[name]
    settings["created_at"] = images["created"]
    usage = images.get("usage")
    if not usage:
        usage_type = _fields_of(_sdk_type("ImageGenCompletedEvent"))["usage"].type
        usage = _fill_placeholders(_default_value(usage_type), call.store)

    for image in images["data"] or ():
        b64_json = image.get("b64_json")
        event_type = f"{event_prefix}.partial_image"
        for index in range(call.get_int("partial_images", 0)):
            yield event_type, {**settings, "type": event_type, "b64_json": b64_json, "partial_image_index": index}
        event_type = f"{event_prefix}.completed"
        yield event_type, {**settings, "type": event_type, "b64_json": b64_json, "usage": usage}


def _transcription_events(call: _Call, transcription: Any, chunk: int | None) -> Iterator[_Event]:
    """Yield a transcription in segments if the format is `diarized_json`, otherwise in pieces of text.

    Streams of audio endpoints have no `event:` lines.
    """
    if isinstance(transcription, str):
        transcription = {"text": transcription}
    text = transcription["text"]
    logprobs = transcription.get("logprobs")
    pieces = []
    if call.body.get("response_format") == "diarized_json":
        for segment in transcription.get("segments") or ():
            pieces.append({**segment, "type": "transcript.text.segment"})
    else:
        deltas = list(_split_text(text, chunk))
        for delta, delta_logprobs in zip(deltas, _logprobs_by_piece(deltas, logprobs or ()), strict=True):
            piece = {"type": "transcript.text.delta", "delta": delta}
            if logprobs:
                piece["logprobs"] = delta_logprobs
            pieces.append(piece)
    done = {"type": "transcript.text.done", "text": text}
    for name in ("logprobs", "usage"):
        if transcription.get(name):
            done[name] = transcription[name]
    for data in (*pieces, done, "[DONE]"):
        yield None, data


def _audio_format(call: _Call) -> str:
    """Return the audio format that a request asks for, or the default of its endpoint, which is "" without audio."""
    default_format = call.behavior.default_audio_format
    if not default_format:
        return ""
    return str(call.body.get("response_format") or default_format)


def _default_speech(call: _Call) -> bytes:
    """Return silence in the audio format of a request."""
    return _silent_audio(_audio_format(call))


def _speech_events(call: _Call, audio: bytes, chunk: int | None) -> Iterator[_Event]:
    """Yield audio in pieces of `chunk` bytes, by default 256, and then its usage."""
    size = chunk or 256
    for start in range(0, len(audio), size):
        piece = base64.b64encode(audio[start : start + size]).decode()
        yield None, {"type": "speech.audio.delta", "audio": piece}
    input_tokens = _count_tokens(str(call.body.get("input", "")))
    usage = {
        "input_tokens": input_tokens,
        "output_tokens": len(audio),
        "total_tokens": input_tokens + len(audio),
    }
    yield None, {"type": "speech.audio.done", "usage": usage}
    yield None, "[DONE]"


_extend_table(
    _ID_PREFIXES,
    {
        "VoiceConsent": "cons_",
    },
)


_extend_table(
    _DEFAULTS_BY_SDK_MODEL,
    {
        "ImagesResponse": {"data": [{}]},
        "Transcription": {"text": _DEFAULT_TEXT},
        "TranscriptionVerbose": {
            "task": "transcribe",
            "language": "english",
            "duration": 1.0,
        },
        "TranscriptionDiarized": {
            "duration": 1.0,
            "segments": [],
        },
        "TranslationVerbose": {
            "task": "translate",
            "language": "english",
            "duration": 1.0,
            "segments": [],
        },
    },
)


_extend_table(
    _TURN_CONVERTERS,
    {
        "audio.Transcription": _turn_to_text,
        "audio.Translation": _turn_to_text,
    },
)


_GPT_IMAGE_MODELS = r"gpt-image|chatgpt-image"
_INVALID_VALUE_OF_MODEL = "Invalid value: '{value}'. Supported values are: {accepted}."


def _unknown_param(param: str, models: str) -> _ModelRule:
    """Return the rule of a parameter that models don't know."""
    return _ModelRule(param=param, message=_UNKNOWN_PARAM, code="unknown_parameter", models=models)


def _only_values(param: str, models: str, *accepted: str) -> _ModelRule:
    """Return the rule of a parameter of which models accept only some values."""
    return _ModelRule(
        param=param,
        message=_INVALID_VALUE_OF_MODEL,
        code="invalid_value",
        models=models,
        accepted=accepted,
    )


def _only_formats(models: str, *accepted: str) -> _ModelRule:
    """Return the rule of the formats in which models return a transcript."""
    return _ModelRule(
        param="response_format",
        message="response_format {value!r} is not compatible with model '{model}'. Use {alternatives} instead.",
        code="unsupported_value",
        models=models,
        accepted=accepted,
    )


# What image models share in both endpoints. `gpt-image-2` and later ones generate images of any size.
_IMAGE_MODEL_RULES = (
    _unknown_param("response_format", _GPT_IMAGE_MODELS),
    _unknown_param("background", "dall-e"),
    _ModelRule(
        param="background",
        message="Transparent background is not supported for this model.",
        code="invalid_value",
        models="gpt-image-2",
        rejected=("transparent",),
    ),
    _unknown_param("output_compression", "dall-e"),
    _unknown_param("output_format", "dall-e"),
    _unknown_param("partial_images", "dall-e"),
    _only_values("size", "dall-e-2", "256x256", "512x512", "1024x1024"),
    _only_values("size", "dall-e-3", "1024x1024", "1024x1792", "1792x1024"),
    _only_values("size", "gpt-image-1", "1024x1024", "1024x1536", "1536x1024", "auto"),
    _only_values("quality", _GPT_IMAGE_MODELS, "low", "medium", "high", "auto"),
)


_extend_table(
    _MODEL_RULES,
    {
        "audio.transcriptions.create": (
            _only_formats("whisper", "json", "text", "srt", "verbose_json", "vtt"),
            _only_formats("gpt-4o-transcribe-diarize", "json", "text", "diarized_json"),
            _only_formats("gpt-.*transcribe(?!-diarize)", "json", "text"),
        ),
        "images.edit": (
            *_IMAGE_MODEL_RULES,
            _unknown_param("input_fidelity", "dall-e"),
        ),
        "images.generate": (
            *_IMAGE_MODEL_RULES,
            _unknown_param("moderation", "dall-e"),
            _unknown_param("quality", "dall-e-2"),
            _unknown_param("style", rf"dall-e-2|{_GPT_IMAGE_MODELS}"),
            _only_values("quality", "dall-e-3", "standard", "hd", "auto"),
            _ModelRule(
                param="n",
                message="Invalid 'n': integer above maximum value. Expected a value <= 1, but got {value} instead.",
                code="integer_above_max_value",
                models="dall-e-3",
                accepted=(1,),
            ),
        ),
    },
)


_extend_table(
    _BEHAVIORS,
    {
        "audio.speech.create": _Behavior(
            is_generated=True,
            default=_default_speech,
            default_audio_format="mp3",
            events=_speech_events,
        ),
        "audio.transcriptions.create": _Behavior(
            is_generated=True,
            strict_check=_check_transcription,
            default=_default_captions,
            derive=_derive_transcription,
            events=_transcription_events,
            type_paths_by_format={
                **dict.fromkeys(_DEFAULT_CAPTIONS, "str"),
                "diarized_json": "audio.TranscriptionDiarized",
                "verbose_json": "audio.TranscriptionVerbose",
            },
        ),
        "audio.translations.create": _Behavior(
            is_generated=True,
            strict_check=_check_audio_file,
            default=_default_captions,
            type_paths_by_format={
                **dict.fromkeys(_DEFAULT_CAPTIONS, "str"),
                "verbose_json": "audio.TranslationVerbose",
            },
        ),
        "images.create_variation": _Behavior(
            is_generated=True,
            strict_check=_check_images,
            coerce=_image_from_bytes,
            derive=_derive_images,
        ),
        "images.edit": _Behavior(
            is_generated=True,
            strict_check=_check_images,
            coerce=_image_from_bytes,
            derive=_derive_images,
            events=functools.partial(_image_events, event_prefix="image_edit"),
        ),
        "images.generate": _Behavior(
            is_generated=True,
            strict_check=_check_images,
            coerce=_image_from_bytes,
            derive=_derive_images,
            events=functools.partial(_image_events, event_prefix="image_generation"),
        ),
    },
)


# ======================================================================================================================
# EMBEDDINGS, MODERATIONS, DECISIONS
# ======================================================================================================================


def _embeddings_from_vectors(value: Any) -> Callable[[_Call], _JSON] | None:
    """Return a function that builds a partial of the answer from vectors, or None if `value` is something else.

    value: a vector for all inputs, or a list with a vector for each input.
    """
    has_several = isinstance(value, (list, tuple)) and value and isinstance(value[0], (list, tuple))
    vectors = value if has_several else [value]
    if not all(_is_vector(vector) for vector in vectors):
        return None
    embeddings = [{"embedding": list(map(float, vector))} for vector in vectors]
    return functools.partial(_one_embedding_per_input, embeddings)


def _is_vector(value: Any) -> bool:
    if not isinstance(value, (list, tuple)) or not value:
        return False
    return all(isinstance(component, (int, float)) for component in value)


def _one_embedding_per_input(embeddings: list[_JSON], call: _Call) -> _JSON:
    """Return a partial with an embedding for each input. A single one is repeated.

    Raises `AssertionError` if there are several embeddings and another number of inputs.
    """
    input_count = len(_embedding_inputs(call.body.get("input", "")))
    if len(embeddings) == 1:
        return {"data": embeddings * input_count}
    if len(embeddings) != input_count:
        message = f"{call.row.name}.response has {len(embeddings)} vectors for {_count_noun(input_count, 'input')}"
        raise AssertionError(f"{message}; set one vector for all, or one for each")
    return {"data": embeddings.copy()}


# Dimensions by model. Other models have 1536.
_EMBEDDING_DIMENSIONS = {"text-embedding-3-large": 3072}


def _derive_embeddings(call: _Call, obj: _JSON) -> _JSON:
    """Return an embedding for each input, from the vectors that the test set or generated, and the usage."""
    inputs = _embedding_inputs(call.body.get("input", ""))
    size = call.get_int("dimensions", _EMBEDDING_DIMENSIONS.get(str(call.body.get("model")), 1536))
    token_count = sum(map(_count_tokens, inputs))
    vectors = [item["embedding"] for item in obj["data"]]
    if not vectors:
        vectors = [_generate_embedding(text, size) for text in inputs]
    data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
    return {
        "data": data,
        "usage": {"prompt_tokens": token_count, "total_tokens": token_count},
    }


def _embedding_inputs(value: Any) -> list[str]:
    """Return the text of each input. An input of token ids is represented by its JSON."""
    has_several = isinstance(value, list) and value and not isinstance(value[0], int)
    inputs = value if has_several else [value]
    return [item if isinstance(item, str) else json.dumps(item) for item in inputs]


def _generate_embedding(text: str, size: int) -> list[float]:
    """Return a vector of length 1 with `size` dimensions. The same text has the same vector in every process."""
    generator = random.Random(_encode_utf8(text))  # not the global one, whose state belongs to the test
    data = generator.randbytes(2 * size)
    vector = struct.unpack(f"<{size}h", data)  # ten times as fast as a random number for each dimension
    norm = math.hypot(*vector) or 1
    return [component / norm for component in vector]


def _encode_embeddings(call: _Call, obj: Any, script: _Script) -> None:
    """Encode the vectors of an answer as base64, in place, if the request asks for it.

    The Python SDK asks for base64 by default, but it accepts numbers too. So if the test set a response, that SDK gets
    the numbers: base64 has the precision of 32-bit floats, and 0.1 would arrive as 0.10000000149011612.
    """
    if call.body.get("encoding_format") != "base64":
        return
    if script is not _NOT_SET and call.request.headers.get("x-stainless-lang") == "python":
        return
    for item in obj["data"]:
        if not isinstance(item["embedding"], str):  # a recorded answer has base64 already
            item["embedding"] = base64.b64encode(array.array("f", item["embedding"]).tobytes()).decode()


def _derive_moderations(call: _Call, obj: _JSON) -> _JSON:
    """Return a default result for each input."""
    value = call.body.get("input", "")
    inputs: list[Any] = [value]
    if isinstance(value, list):
        is_multimodal = value and isinstance(value[0], dict)  # a list of objects is one input with several parts
        if not is_multimodal:
            inputs = value
    return {"results": [_moderate(item) for item in inputs]}


def _moderate_sides(call: _Call, request_content: Any, output: Any) -> _JSON:
    """Return the moderation results of the input and the output of a request that has a `moderation`."""
    model = _get_dict(call.body, "moderation").get("model") or _DEFAULT_MODERATION_MODEL
    identity = {"model": model, "type": "moderation_result"}
    return {
        "input": _moderate(request_content) | identity,
        "output": _moderate(output) | identity,
    }


def _moderate(value: Any) -> _JSON:
    """Return the default moderation result of a value with texts and images, in which no category is flagged."""
    result = _copy_json(_default_value(_sdk_type("Moderation")))
    has_text = bool(_extract_text(value))
    has_image = any(part.get("type") in _IMAGE_PART_TYPES for _, part in _objects_within(value, ()))
    for category, applied_types in result["category_applied_input_types"].items():
        if has_text:
            applied_types.append("text")
        if has_image and category in _IMAGE_CATEGORIES:
            applied_types.append("image")
    return result


_DEFAULT_MODERATION_MODEL = "omni-moderation-latest"


# The types of parts that contain an image, in the moderations, the chat and the responses API.
_IMAGE_PART_TYPES = ("image_url", "input_image")


# The categories that the service also applies to images. It applies all categories to texts.
_IMAGE_CATEGORIES = {
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "violence",
    "violence/graphic",
}


def _decision_from_choice(value: Any) -> Callable[[_Call], _JSON] | None:
    """Return a function that builds a partial of the answer from the text of a choice, or None for other values."""
    if not isinstance(value, str):
        return None
    return functools.partial(_decision_with_choice, value)


def _decision_with_choice(text: str, call: _Call) -> _JSON:
    """Return a partial with a text as the answer to the only multiple-choice question of a request.

    Raises `AssertionError` if the request has another number of such questions, or if the text is not a choice.
    """
    label = f"{call.row.name}.response is {text!r}"
    questions = _only_dicts(call.body.get("questions"))
    choice_questions = [question for question in questions if question.get("type") == "choice"]
    if len(choice_questions) != 1:
        count = _count_noun(len(choice_questions), "multiple-choice question")
        raise AssertionError(f"{label}, but the request has {count}; set {{'answers': [...]}}")
    values = [choice.get("value") for choice in _only_dicts(choice_questions[0].get("choices"))]
    if text not in values:
        raise AssertionError(f"{label}, but the choices are {', '.join(map(repr, values))}")
    answers: list[_JSON] = []
    for question in questions:
        answer = {"type": question.get("type")}
        if question.get("type") == "choice":
            answer["choice"] = text
        answers.append(answer)
    return {"answers": answers}


def _derive_decision(call: _Call, obj: _JSON) -> _JSON:
    """Return an answer to each question, and the usage.

    The answers are: yes, the choice that the test set or else the first one, the lowest level. A refusal that the test
    set gets the name of its question.
    """
    _check_questions(call)
    texts = [_extract_text(call.body.get("input"))]
    answers = []
    set_answers = itertools.chain(obj["answers"], itertools.repeat({}))
    for question, set_answer in zip(_only_dicts(call.body.get("questions")), set_answers, strict=False):
        answers.append(_decision_answer(question, set_answer))
        texts.append(_extract_text(question.get("instructions")))
    input_tokens = _count_tokens("".join(texts))
    return {"answers": answers} | _usage_field(obj, input_tokens=input_tokens, output_tokens=len(answers))


def _decision_answer(question: Mapping[str, Any], set_answer: Mapping[str, Any]) -> _JSON:
    """Return the answer to a question.

    set_answer: the answer that the test set, merged into its type, or an empty dict.
    """
    name = question.get("name")
    if set_answer.get("type") == "refusal":
        return {"type": "refusal", "name": name}
    answer = _DECISION_ANSWERS[question["type"]](question, set_answer)
    return {**answer, "type": question.get("type"), "name": name}


# The list that a question requires, by the question's type, and the field that each member of the list requires.
_REQUIRED_QUESTION_FIELDS = {
    "choice": ("choices", "value"),
    "score": ("levels", "label"),
}


def _check_questions(call: _Call) -> None:
    """Raise the 400 of a question without choices or levels, or with incomplete ones."""
    for index, question in enumerate(_only_dicts(call.body.get("questions"))):
        question_type = str(question.get("type"))
        if question_type not in _REQUIRED_QUESTION_FIELDS:
            continue
        list_name, member_field = _REQUIRED_QUESTION_FIELDS[question_type]
        path = ("questions", index, list_name)
        members = _only_dicts(question.get(list_name))
        if not members:
            _Flaw(path, "missing_required_parameter").reject()
        for number, member in enumerate(members):
            if member_field not in member:
                _Flaw((*path, number, member_field), "missing_required_parameter").reject()


def _answer_predicate(question: Mapping[str, Any], set_answer: Mapping[str, Any]) -> _JSON:
    return {"probability": 1.0}


def _answer_choice(question: Mapping[str, Any], set_answer: Mapping[str, Any]) -> _JSON:
    """Return the answer to a multiple-choice question: the set choice or else the first one, with certainty."""
    choices = [{"value": choice["value"]} for choice in question["choices"]]
    chosen = 0
    for index, choice in enumerate(choices):
        if choice["value"] == set_answer.get("choice"):
            chosen = index
    return {
        "choice": choices[chosen]["value"],
        "confidence": 1.0,
        "probabilities": _with_probabilities(choices, chosen),
    }


def _answer_score(question: Mapping[str, Any], set_answer: Mapping[str, Any]) -> _JSON:
    levels = [{"label": level["label"], "value": value} for value, level in enumerate(question["levels"])]
    return {
        "score": 0.0,
        "confidence": 1.0,
        "probabilities": _with_probabilities(levels),
    }


def _with_probabilities(alternatives: list[_JSON], chosen: int = 0) -> list[_JSON]:
    """Return copies of alternatives with a `probability`: 1.0 for the one at the index `chosen`, and 0.0 for others."""
    return [{**alternative, "probability": float(index == chosen)} for index, alternative in enumerate(alternatives)]


# Functions that return the answer to a question, by its type. The second argument is the answer that the test set.
_DECISION_ANSWERS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], _JSON]] = {
    "predicate": _answer_predicate,
    "choice": _answer_choice,
    "score": _answer_score,
}


_extend_table(
    _ID_PREFIXES,
    {
        "ModerationCreateResponse": "modr-",
    },
)


_extend_table(
    _DEFAULTS_BY_SDK_MODEL,
    {
        "Categories": {"illicit": False, "illicit/violent": False},
        "ModerationCreateResponse": {"model": _DEFAULT_MODERATION_MODEL},
        "Embedding": {"embedding": []},
    },
)


_extend_table(
    _MODEL_RULES,
    {
        "embeddings.create": (
            _ModelRule(
                param="dimensions",
                message="This model does not support specifying dimensions.",
                code=None,
                models=r"text-embedding-ada-002",
                error_param=None,
            ),
            _ModelRule(
                param="dimensions",
                message="Invalid value for 'dimensions' = {value}. Must be less than or equal to {maximum}.",
                code=None,
                models=r"text-embedding-3-small",
                maximum=1536,
                error_param=None,
            ),
        ),
    },
)


_extend_table(
    _BEHAVIORS,
    {
        "decisions.create": _Behavior(
            is_generated=True,
            coerce=_decision_from_choice,
            derive=_derive_decision,
        ),
        "embeddings.create": _Behavior(
            is_generated=True,
            coerce=_embeddings_from_vectors,
            derive=_derive_embeddings,
            store=_encode_embeddings,
        ),
        "moderations.create": _Behavior(
            is_generated=True,
            derive=_derive_moderations,
        ),
    },
)


# ======================================================================================================================
# REALTIME AND LIVE: sessions that receive and send audio
# ======================================================================================================================


# ---- sessions that receive audio -------------------------------------------------------------------------------------


class _AudioSession(_SocketSession):
    """A session with settings and an input buffer for audio."""

    def __init__(self, call: _Call, router: Router) -> None:
        super().__init__(call, router)
        self.settings = self.initial_settings()
        self.input_buffer = b""
        self.elapsed_ms = 0  # the duration of all audio before the input buffer

    def settings_model(self) -> str:
        """Return the name of the SDK's model of the settings."""
        raise NotImplementedError

    def initial_settings(self) -> _JSON:
        """Return the default settings, changed by those of the client secret or of the call that the client joins."""
        call = self.call
        api_key = call.request.headers.get("authorization", "").removeprefix("Bearer ")
        namespace = call.row.name.rpartition(".")[0]
        secret = call.store.get(f"{namespace}.client_secrets", {}).get(api_key) or {}
        joined_call = call.store["realtime.calls"].get(call.query.get("call_id")) or {}
        default = _new_object(self.settings_model(), call.store, {})
        settings = _merge_settings(default, {**(secret.get("session") or {}), **joined_call})
        model = call.query.get("model") or call.query.get("deployment")
        if model:
            settings["model"] = model
        return settings

    def format_event(self, message: _ClientMessage, event: _JSON) -> _JSON:
        return {"event_id": message.call.store._new_id("event_"), **event}

    def error_event(self, message: _ClientMessage, error: _ServiceError) -> _JSON:
        return {"type": "error", "error": {**error.envelope, "event_id": message.get_str("event_id")}}

    def expiry_event(self, message: _ClientMessage) -> _JSON:
        return self.error_event(message, _expiry_error("session_expired"))

    @_handles("session.update")
    def update(self, message: _ClientMessage) -> list[_JSON]:
        """Change settings."""
        _check_param_types(message.call)  # now, because a setting of the wrong type would raise later
        changes = message.body["session"] or {}
        self.check_voice(changes)
        self.settings = _merge_settings(self.settings, changes)
        return [{"type": f"{message.body['type']}d", "session": self.settings}]

    def check_voice(self, settings: Mapping[str, Any]) -> None:
        """Raise the 400 of settings with a voice that can't be used any more. A session without a conversation has none."""

    def add_to_input_buffer(self, message: _ClientMessage) -> None:
        """Add the audio of a message to the input buffer. Raise the 400 of audio that isn't base64."""
        self.input_buffer += _decode_audio(message.body["audio"])

    def take_input_buffer(self) -> bytes:
        """Empty the input buffer, and return its audio."""
        audio = self.input_buffer
        self.elapsed_ms = self.end_ms(audio)
        self.input_buffer = b""
        return audio

    def audio_config(self, direction: str) -> _JSON:
        """Return the settings of the audio in a direction, "input" or "output": format, turn detection and so on."""
        audio = self.settings.get("audio") or {}
        return {"format": audio.get("format"), **(audio.get(direction) or {})}

    def sample_format(self, direction: str) -> _SampleFormat:
        """Return the sample format of the audio in a direction, "input" or "output"."""
        format = self.audio_config(direction).get("format") or "pcm16"
        name = format["type"] if isinstance(format, dict) else format
        return _SAMPLE_FORMATS.get(name, _SAMPLE_FORMATS["pcm16"])

    def end_ms(self, audio: bytes) -> int:
        """Return when `audio`, a prefix of the input buffer, ends: milliseconds since the session began."""
        return self.elapsed_ms + len(audio) // self.sample_format("input").bytes_per_ms

    def non_silent_audio(self) -> bytes:
        """Return the audio in the input buffer without the silence at its end."""
        return self.input_buffer.rstrip(self.sample_format("input").silence)

    def trailing_silence_ms(self) -> int:
        """Return the duration of the silence at the end of the input buffer."""
        return self.end_ms(self.input_buffer) - self.end_ms(self.non_silent_audio())


class _SampleFormat(NamedTuple):
    bytes_per_ms: int
    silence: bytes  # the byte that silence consists of


_PCM16 = _SampleFormat(48, b"\0")
_ULAW = _SampleFormat(8, b"\xff")
_ALAW = _SampleFormat(8, b"\xd5")


_SAMPLE_FORMATS = {
    "audio/pcm": _PCM16,
    "audio/pcma": _ALAW,
    "audio/pcmu": _ULAW,
    "g711_alaw": _ALAW,
    "g711_ulaw": _ULAW,
    "pcm16": _PCM16,
}


def _decode_audio(text: Any) -> bytes:
    """Return the audio of a message or of an item, which is base64. Raise the 400 of any other text."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        _reject(
            "Invalid 'audio'. Expected base64-encoded audio bytes, but got an invalid value.", "audio", "invalid_value"
        )


def _merge_settings(settings: _JSON, changes: Mapping[str, Any]) -> _JSON:
    """Return settings with changes. Audio settings are merged, all others are replaced, such as the `input` of a session."""
    merged = {**settings, **changes}
    for name in _NESTED_SETTINGS & changes.keys():
        if isinstance(settings.get(name), dict):
            merged[name] = _merge_settings(settings[name], changes[name] or {})
    if isinstance(changes.get("turn_detection"), dict):
        merged["turn_detection"] = _complete_turn_detection(settings, changes["turn_detection"])
    return merged


def _complete_turn_detection(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> _JSON:
    """Return changed settings of the turn detection, completed with the defaults of its type.

    settings: the settings of the audio so far. Those of a transcription session have nothing about responses.
    """
    detection = {**_TURN_DETECTION_DEFAULTS.get(str(changes.get("type")), {}), **changes}
    previous = settings.get("turn_detection")
    if previous and "create_response" not in previous:
        for name in _RESPONSE_SETTINGS - changes.keys():
            detection.pop(name, None)
    return detection


_NESTED_SETTINGS = {"audio", "input", "output"}


# The SDK's models of the settings, by the type of session.
_SETTINGS_MODELS = {
    "realtime": "realtime.RealtimeSessionCreateResponse",
    "transcription": "realtime.RealtimeTranscriptionSessionCreateResponse",
    "translation": "realtime.RealtimeTranslationSession",
}


async def _transcribe(message: _ClientMessage, settings: Mapping[str, Any]) -> str:
    """Return the text that `audio.transcriptions.create` returns. Raise the error that is set for that endpoint."""
    request = message.with_body(settings).for_endpoint("audio.transcriptions.create")
    return (await _answer_as_dict(request))["text"]


def _audio_pieces(
    session: _AudioSession, text: str, split: _TextSplitter, audio: str | None = None
) -> Iterator[tuple[str, str]]:
    """Yield the pieces of a text, each with its part of the audio in base64. Without `audio`, the audio is silence."""
    bytes_per_ms, silence = session.sample_format("output")
    duration_ms = _MS_PER_CHARACTER * len(text)
    samples = base64.b64decode(audio) if audio else silence * (bytes_per_ms * duration_ms)

    def offset(position: int) -> int:
        """Return the byte at which the audio of a character begins. It is even, as a sample has up to two bytes."""
        return len(samples) * position // len(text) // 2 * 2

    end = 0
    for piece in split(text):
        start = end
        end += len(piece)
        stop = len(samples)
        if end < len(text):
            stop = offset(end)
        yield piece, base64.b64encode(samples[offset(start) : stop]).decode()


_MS_PER_CHARACTER = 10  # the duration of the audio of a character


_TextSplitter = Callable[[str], Iterator[str]]  # splits a text into the pieces that deltas send


# ---- sessions with a conversation ------------------------------------------------------------------------------------


class _RealtimeSession(_AudioSession):
    """A session with a conversation: items, turns that are detected in the input audio, and responses.

    Sessions of type "transcription" only differ in what follows a turn: they always transcribe it, and don't respond.
    """

    # the first one's input also takes references to items; earlier releases of the SDK don't have it
    client_events = "realtime.ResponseCreateEventWithReferencesParam realtime.RealtimeClientEventParam"

    def __init__(self, call: _Call, router: Router) -> None:
        super().__init__(call, router)
        self.conversation_id = call.store._new_id("conv_")
        self.items: dict[str, _JSON] = {}  # the conversation, in order
        self.speech_item_id: str | None = None  # the ID of the item that the speech in the input buffer will become
        self.active_responses: dict[str, bool] = {}  # responses in progress by ID: True if part of the conversation
        self.last_response_id = ""
        self.cancel_reason = ""

    def settings_model(self) -> str:
        return _SETTINGS_MODELS.get(self.call.query.get("intent", ""), _SETTINGS_MODELS["realtime"])

    def voice_in(self, settings: Mapping[str, Any]) -> Any:
        """Return the voice in settings, or None if they don't have one."""
        return _get_dict(_get_dict(settings, "audio"), "output").get("voice")

    def check_voice(self, settings: Mapping[str, Any]) -> None:
        """Raise the 400 of settings with another voice than that of the assistant's audio in the conversation."""
        has_audio = any(_has_assistant_audio(item) for item in self.items.values())
        if has_audio and self.voice_in(settings) not in (None, self.voice_in(self.settings)):
            error = "Cannot update a conversation's voice if assistant audio is present."
            _reject(error, code="cannot_update_voice")

    @property
    def transcribes_only(self) -> bool:
        return self.settings.get("type") == "transcription"

    @property
    def active_response(self) -> str | None:
        """Return the ID of the response in progress that is part of the conversation, or None."""
        for id, in_conversation in self.active_responses.items():
            if in_conversation:
                return id
        return None

    def opening_events(self) -> list[Any]:
        return [{"type": "session.created", "session": self.settings}]

    # items

    @_handles("conversation.item.create")
    def create_item(self, message: _ClientMessage) -> list[_JSON]:
        _check_param_types(message.call)
        item = _new_realtime_item(message.call, **_without_nulls(message.body["item"]))
        previous = message.body.get("previous_item_id")
        if "type" not in item:
            _Flaw(("item", "type"), "missing_required_parameter").reject()
        if previous not in (None, "root", *self.items):
            code = "item_create_invalid_previous_item_id"
            _reject(f"Item with id '{previous}' not found.", "previous_item_id", code)
        if item["id"] in self.items:
            _reject(f"Item with id '{item['id']}' already exists.", "item.id", "item_create_duplicate_item_id")
        self._check_tool_output(item)
        added = self.insert_item(item, previous)
        return [added, _item_done(added)]

    @_handles("conversation.item.delete")
    def delete_item(self, message: _ClientMessage) -> list[_JSON]:
        item = self.items.pop(self._find_item(message)["id"])
        return [{"type": "conversation.item.deleted", "item_id": item["id"]}]

    @_handles("conversation.item.retrieve")
    def retrieve_item(self, message: _ClientMessage) -> list[_JSON]:
        return [{"type": "conversation.item.retrieved", "item": _copy_json(self._find_item(message))}]

    @_handles("conversation.item.truncate")
    def truncate_item(self, message: _ClientMessage) -> list[_JSON]:
        """Drop the audio and the transcript of a content part. A transcript has no times, so it can't be cut."""
        item = self._find_item(message)
        index = message.body["content_index"]
        parts = item.get("content") or []
        if item.get("role") != "assistant" or not 0 <= index < len(parts):
            _reject("Only audio of the assistant can be truncated.", "item_id", "invalid_value")
        truncated = {key: value for key, value in parts[index].items() if key not in ("audio", "text")}
        truncated["transcript"] = ""
        item["content"] = [*parts[:index], truncated, *parts[index + 1 :]]
        fields = {key: message.body[key] for key in ("item_id", "content_index", "audio_end_ms")}
        return [{"type": "conversation.item.truncated", **fields}]

    def insert_item(self, item: _JSON, previous_id: str | None = None) -> _JSON:
        """Insert an item into the conversation, and return the event that reports the new item.

        previous_id: the ID of the item to insert after, or "root" for the beginning. The default is the end.
        """
        ids = list(self.items)
        index = len(ids)
        if previous_id == "root":
            index = 0
        elif previous_id in ids:
            index = ids.index(previous_id) + 1
        added = {"type": "conversation.item.added", "previous_item_id": None, "item": _without_audio(item)}
        if index > 0:
            added["previous_item_id"] = ids[index - 1]
        ids.insert(index, item["id"])
        self.items = {id: self.items.get(id, item) for id in ids}
        return added

    def _find_item(self, message: _ClientMessage) -> _JSON:
        """Return the item with the ID in a message. Raise the 400 of an unknown item."""
        id = message.body["item_id"]
        verb = message.body["type"].rpartition(".")[2]
        if id not in self.items:
            error = f"Error with 'conversation.item.{verb}': the item with id '{id}' does not exist."
            _reject(error, "item_id", f"item_{verb}_invalid_item_id")
        return self.items[id]

    def _check_tool_output(self, item: Mapping[str, Any]) -> None:
        """Raise the 400 of a tool output without a tool call in the conversation."""
        if item["type"] != "function_call_output":
            return
        call_id = item.get("call_id")
        for other in self.items.values():
            if other["type"] == "function_call" and other.get("call_id") == call_id:
                return
        _reject(f"Tool call ID '{call_id}' not found in conversation.", "item.call_id", "invalid_tool_call_id")

    # input audio

    @_handles("input_audio_buffer.append")
    async def append_audio(self, message: _ClientMessage) -> Iterable[Any]:
        """Add audio to the input buffer. With turn detection, commit the buffer when speech ends, and respond."""
        self.add_to_input_buffer(message)
        detection = self.audio_config("input").get("turn_detection")
        if not detection:
            return []
        events = self._detect_start_of_speech(message, detection)
        silence_duration_ms = detection.get("silence_duration_ms") or _SILENCE_DURATION_MS
        if not self.speech_item_id or self.trailing_silence_ms() < silence_duration_ms:
            return events
        end = {"audio_end_ms": self.end_ms(self.non_silent_audio()), "item_id": self.speech_item_id}
        events.append({"type": "input_audio_buffer.speech_stopped", **end})
        events += await self.commit_audio(message)
        if self.active_response or self.transcribes_only or not detection.get("create_response", True):
            return events
        response_events = await self.create_response(message.with_body({"type": "response.create"}))
        return itertools.chain(events, response_events)

    def _detect_start_of_speech(self, message: _ClientMessage, detection: Mapping[str, Any]) -> list[_JSON]:
        """Begin a turn if the input buffer contains its first sound, and return the event of its start.

        A turn interrupts the response in progress, unless the settings disable that. Return [] if no turn begins.
        """
        if self.speech_item_id or not self.non_silent_audio():
            return []
        self.speech_item_id = message.call.store._new_id("item_")
        audio = self.input_buffer
        leading_silence = audio[: -len(audio.lstrip(self.sample_format("input").silence))]
        if detection.get("interrupt_response", True):
            self._cancel(self.active_response, "turn_detected")
        start = {"audio_start_ms": self.end_ms(leading_silence), "item_id": self.speech_item_id}
        return [{"type": "input_audio_buffer.speech_started", **start}]

    @_handles("input_audio_buffer.commit")
    async def commit_audio(self, message: _ClientMessage) -> list[_JSON]:
        """Turn the audio in the input buffer into an item of the conversation."""
        duration_ms = self.end_ms(self.input_buffer) - self.elapsed_ms
        if not self.input_buffer or (message.call.mock._strict and duration_ms < _MIN_COMMIT_MS):
            _reject(
                "Error committing input audio buffer: buffer too small. "
                f"Expected at least {_MIN_COMMIT_MS}ms of audio, but buffer only has {duration_ms:.2f}ms of audio.",
                code="input_audio_buffer_commit_empty",
            )
        item = _new_realtime_item(message.call, type="message", role="user")
        if self.speech_item_id:
            item["id"] = self.speech_item_id
        audio = base64.b64encode(self.take_input_buffer()).decode()
        item["content"] = [{"type": "input_audio", "audio": audio, "transcript": None}]
        added = self.insert_item(item)
        committed = {
            "type": "input_audio_buffer.committed",
            "previous_item_id": added["previous_item_id"],
            "item_id": item["id"],
        }
        transcription = await self._transcription_events(message, item, duration_ms)
        return [committed, added, _item_done(added), *transcription]

    async def _transcription_events(self, message: _ClientMessage, item: _JSON, duration_ms: int) -> list[_JSON]:
        """Transcribe the audio of an item, if the settings enable that. Return the events of the transcript."""
        settings = self.audio_config("input").get("transcription")
        if not settings and self.transcribes_only:
            settings = _DEFAULT_TRANSCRIPTION_SETTINGS
        if not settings:
            return []
        prefix = "conversation.item.input_audio_transcription"
        position = {"item_id": item["id"], "content_index": 0}
        try:
            text = await _transcribe(message, settings)
        except _ServiceError as error:
            return [{"type": f"{prefix}.failed", "error": error.envelope, **position}]
        item["content"][0]["transcript"] = text
        deltas = [{"type": f"{prefix}.delta", "delta": piece, **position} for piece in _split_text(text, None)]
        usage = {"type": "duration", "seconds": duration_ms / 1000}
        return [*deltas, {"type": f"{prefix}.completed", "transcript": text, "usage": usage, **position}]

    @_handles("input_audio_buffer.clear")
    def clear_input_audio(self, message: _ClientMessage) -> list[_JSON]:
        self.take_input_buffer()
        return [{"type": "input_audio_buffer.cleared"}]

    def take_input_buffer(self) -> bytes:
        self.speech_item_id = None
        return super().take_input_buffer()

    @_handles("output_audio_buffer.clear")
    def clear_output_audio(self, message: _ClientMessage) -> list[_JSON]:
        """Drop the audio that isn't played yet. A response in progress continues."""
        if not self.last_response_id:
            _reject("There is no audio to clear: no response was made.", code="invalid_value")
        return [{"type": "output_audio_buffer.cleared", "response_id": self.last_response_id}]

    # responses

    @_handles("response.create")
    async def create_response(self, message: _ClientMessage) -> Iterator[Any]:
        """Create a response with the settings of the session and of the message."""
        params = message.body.get("response") or {}
        if params.get("conversation") != "none":
            self._check_no_active_response()
            self.check_voice(params)
        settings = {name: value for name, value in self.settings.items() if name not in ("id", "object")}
        return await _answer_as_events(message.with_body(settings | params | message.body))

    def _check_no_active_response(self) -> None:
        """Raise the 400 of a second response in the conversation while one is in progress."""
        if self.active_response:
            error = (
                f"Conversation already has an active response in progress: {self.active_response}. "
                "Wait until the response is finished before creating a new one."
            )
            _reject(error, code="conversation_already_has_active_response")

    @_handles("response.cancel")
    def cancel_response(self, message: _ClientMessage) -> list[_JSON]:
        if not self._cancel(message.body.get("response_id") or self.active_response, "client_cancelled"):
            _reject("Cancellation failed: no active response found", code="response_cancel_not_active")
        return []

    def _cancel(self, response_id: str | None, reason: str) -> bool:
        """Stop a response, which then reports the reason itself. Return False if it is not in progress."""
        self.cancel_reason = reason
        return self.active_responses.pop(response_id, None) is not None


_SILENCE_DURATION_MS = 200  # the silence that ends a turn or an utterance, unless the settings contain another
_MIN_COMMIT_MS = 100  # the shortest audio that can be committed
_DEFAULT_TRANSCRIPTION_SETTINGS = {"model": "gpt-4o-mini-transcribe"}


def _new_realtime_item(call: _Call, **fields: Any) -> _JSON:
    return {"id": call.store._new_id("item_"), "object": "realtime.item", "status": "completed", **fields}


def _item_done(added: _JSON, **changes: Any) -> _JSON:
    """Return the event that follows `conversation.item.added`."""
    return {**added, "type": "conversation.item.done", **changes}


def _has_assistant_audio(item: Mapping[str, Any]) -> bool:
    """Return True if an item of a conversation is a message that the assistant said aloud."""
    if item.get("role") != "assistant":
        return False
    return any(str(part.get("type")).endswith("audio") for part in _only_dicts(item.get("content")))


def _without_audio(item: Mapping[str, Any]) -> _JSON:
    """Return an item as events show it, without the audio of its parts."""
    shown = {**item}
    if "content" in item:
        shown["content"] = []
        for part in item["content"] or ():
            shown["content"].append({key: value for key, value in part.items() if key != "audio"})
    return shown


def _without_nulls(value: Any) -> Any:
    """Return a JSON value without the null fields of its objects."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


class _BetaRealtimeSession(_RealtimeSession):
    """A session of the beta API. Its events and settings have other names."""

    client_events = "beta.realtime.RealtimeClientEventParam"

    def settings_model(self) -> str:
        return "beta.realtime.Session"

    def opening_events(self) -> list[Any]:
        """Return the events of a new session. In strict mode, they report that OpenAI (not Azure) shut down the beta."""
        if self.call.mock._strict and not self.call.is_azure:
            message = "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API."
            error = _ServiceError(400, message, code="beta_api_shape_disabled")
            error_event = {"type": "error", "error": {**error.envelope, "event_id": None}}
            return [error_event, _Close(4000, "invalid_request_error.beta_api_shape_disabled")]
        conversation = {"id": self.conversation_id, "object": "realtime.conversation"}
        return [*super().opening_events(), {"type": "conversation.created", "conversation": conversation}]

    def voice_in(self, settings: Mapping[str, Any]) -> Any:
        return settings.get("voice")

    def audio_config(self, direction: str) -> _JSON:
        return {name.removeprefix(f"{direction}_audio_"): value for name, value in self.settings.items()}

    def format_event(self, message: _ClientMessage, event: _JSON) -> _JSON:
        event_type = _BETA_EVENT_TYPES.get(event.get("type"), event.get("type"))
        if not event_type:
            return {}
        return super().format_event(message, _to_beta({**event, "type": event_type}))

    @_handles("transcription_session.update")
    def update_transcription(self, message: _ClientMessage) -> list[_JSON]:
        return self.update(message)


_BETA_EVENT_TYPES = {
    "conversation.item.added": "conversation.item.created",
    "conversation.item.done": None,  # the beta doesn't send this event
}


def _to_beta(value: Any) -> Any:
    """Return a JSON value with the names of fields and types that the beta uses."""
    if isinstance(value, list):
        return [_to_beta(item) for item in value]
    if not isinstance(value, dict):
        return value
    renamed = {_BETA_FIELDS.get(key, key): _to_beta(item) for key, item in value.items()}
    if "type" in value:
        renamed["type"] = re.sub("output_(?=text|audio(?!_buffer))", "", str(value["type"]))
    return renamed


_BETA_FIELDS = {"output_modalities": "modalities"}


# ---- responses of a session ------------------------------------------------------------------------------------------


def _messages_from_realtime(call: _Call) -> list[_JSON]:
    """Return the items that the model sees: the input of the request or, without one, the conversation."""
    items = call.session.items if call.session else {}  # there is no session during the handshake
    if call.body.get("input") is None:
        return list(items.values())
    # an item of the conversation can be given by its ID
    return [items.get(item.get("id"), item) for item in _only_dicts(call.body["input"])]


def _turn_to_realtime_response(turn: Turn) -> _JSON:
    """Convert a turn to a partial of RealtimeResponse. Raise `TypeError` for a turn with citations.

    The text is neither audio nor text yet: `_with_modality` converts it when the response is sent.
    """
    if turn.citations:
        raise TypeError(f"{turn!r}: a realtime response cannot have citations")
    status = "incomplete" if turn.stop else "completed"
    text = turn.refusal if turn.text is None else turn.text

    output = []
    if text is not None:
        output.append({"type": "message", "role": "assistant", "content": [{"text": text}], "status": status})
    for tool_call in turn.tool_calls:
        call_id = tool_call.id or _NewId("call_")
        output.append({"type": "function_call", "call_id": call_id, **_tool_call_fields(tool_call)})

    response = {"output": output, "status": status}
    if turn.stop:
        response["status_details"] = {"type": status, "reason": _INCOMPLETE_REASONS[turn.stop]}
    return response


def _derive_realtime_response(call: _Call, obj: _JSON) -> _JSON:
    """Return the usage of a response and the ID of its conversation."""
    session = call.session
    input_tokens = _count_tokens_by_modality(session, _messages_from_realtime(call))
    input_tokens["text_tokens"] += _count_tokens(str(call.body.get("instructions")))
    output_tokens = _count_tokens_by_modality(session, [_with_modality(call, item) for item in obj["output"]])
    fields = _usage_field(obj, input_tokens=sum(input_tokens.values()), output_tokens=sum(output_tokens.values()))
    if fields:
        fields["usage"]["input_token_details"] = input_tokens | {"cached_tokens": 0}
        fields["usage"]["output_token_details"] = output_tokens
    fields["conversation_id"] = None if _is_out_of_band(call) else session.conversation_id
    return fields


def _count_tokens_by_modality(session: _AudioSession, items: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Count the text tokens and audio tokens of items.

    Audio has one token in 100 ms. A part without audio data has the tokens of its text or transcript.
    """
    counts = {"text_tokens": 0, "audio_tokens": 0}
    for item in items:
        for part in _only_dicts(item.get("content")) or [item]:
            name = "audio_tokens" if str(part.get("type")).endswith("audio") else "text_tokens"
            audio = _decode_audio(part.get("audio") or "")
            if audio:
                counts[name] += math.ceil(len(audio) / session.sample_format("input").bytes_per_ms / 100)
            else:
                counts[name] += _count_item_tokens(part)
    return counts


def _is_out_of_band(call: _Call) -> bool:
    """Return True if a response does not become part of the conversation."""
    return call.body.get("conversation") == "none"


def _store_realtime_response(call: _Call, obj: _JSON, script: _Script) -> None:
    """Mark a response as in progress."""
    call.session.active_responses[obj["id"]] = not _is_out_of_band(call)
    call.session.last_response_id = obj["id"]


def _realtime_response_events(call: _Call, response: _JSON, chunk: int | None) -> Iterator[_Event]:
    """Yield the events of a response with their types."""
    for event in _response_lifecycle(call, response, chunk):
        yield event["type"], event


def _response_lifecycle(call: _Call, response: _JSON, chunk: int | None) -> Iterator[_JSON]:
    """Yield the events of a response from creation to end. If it is cancelled meanwhile, its output ends there."""
    session = call.session
    response_id = response["id"]
    output = []
    rate_limits = [{"name": name, **limit} for name, limit in _RATE_LIMITS.items()]
    yield {"type": "response.created", "response": response | _INITIAL_RESPONSE_FIELDS}
    yield {"type": "rate_limits.updated", "rate_limits": rate_limits}
    try:
        for index, item in enumerate(response["output"]):
            if response_id in session.active_responses:
                item = _with_modality(call, item)
                output.append(item)
                position = {"response_id": response_id, "output_index": index}
                yield from _item_lifecycle(call, item, position, chunk)
        if response_id not in session.active_responses:
            details = {"type": "cancelled", "reason": session.cancel_reason}
            response |= {"status": "cancelled", "status_details": details}
    finally:
        session.active_responses.pop(response_id, None)
    yield {"type": "response.done", "response": response | {"output": [_without_audio(item) for item in output]}}


_INITIAL_RESPONSE_FIELDS = {"status": "in_progress", "status_details": None, "output": [], "usage": None}


def _item_lifecycle(call: _Call, item: _JSON, position: _JSON, chunk: int | None) -> Iterator[_JSON]:
    """Yield the events of an output item. If the response is cancelled, the item keeps what was sent until then.

    item: it is changed, so it must not be shared.
    position: the fields of the events that locate the item in the response.
    """
    session = call.session
    response_id = position["response_id"]
    final_status = item.get("status")
    initial = item | {key: value for key, value in _INITIAL_ITEM_FIELDS.items() if key in item}
    yield {"type": "response.output_item.added", "item": initial, **position}
    added = None
    if not _is_out_of_band(call):
        added = session.insert_item(initial)
        yield added

    def split(text: str) -> Iterator[str]:
        """Yield the pieces of a text until the response is cancelled."""
        for piece in _split_text(text, chunk):
            if response_id not in session.active_responses:
                return
            yield piece

    streamer = _ITEM_STREAMERS.get(item["type"])
    if streamer:
        for event in streamer(session, item, split):
            yield event | position | {"item_id": item["id"]}
    item["status"] = final_status if response_id in session.active_responses else "incomplete"
    if added:
        session.items[item["id"]] = _copy_json(item)
        yield _item_done(added, item=_without_audio(item))
    yield {"type": "response.output_item.done", "item": _without_audio(item), **position}


_INITIAL_ITEM_FIELDS = {"status": "in_progress", "content": [], "arguments": ""}


def _with_modality(call: _Call, item: _JSON) -> _JSON:
    """Return an output item with its content as audio or as text, as the modalities of the request require."""
    converted = {"object": "realtime.item", **item}
    if "content" not in item:
        return converted
    modalities = call.body.get("output_modalities") or call.body.get("modalities") or ["audio"]
    part_type = "output_text"
    text_field = "text"
    if "audio" in modalities:
        part_type = "output_audio"
        text_field = "transcript"
    converted["content"] = []
    for part in item["content"] or ():
        text = part.get("text", part.get("transcript", _DEFAULT_TEXT)) or ""
        converted["content"].append({"type": part_type, text_field: text, "audio": part.get("audio")})
    return converted


# The functions that stream an item or a part add to it piece by piece, so that it contains what was sent.


def _stream_message(session: _AudioSession, item: _JSON, split: _TextSplitter) -> Iterator[_JSON]:
    for index, part in enumerate(item["content"]):
        streamer = _stream_audio if part["type"] == "output_audio" else _stream_text
        for event in streamer(session, part, split):
            yield event | {"content_index": index}


def _stream_text(session: _AudioSession, part: _JSON, split: _TextSplitter) -> Iterator[_JSON]:
    text = part["text"]
    part["text"] = ""
    yield {"type": "response.content_part.added", "part": {"type": "text", "text": ""}}
    for piece in split(text):
        part["text"] += piece
        yield {"type": "response.output_text.delta", "delta": piece}
    yield {"type": "response.output_text.done", "text": part["text"]}
    yield {"type": "response.content_part.done", "part": {"type": "text", "text": part["text"]}}


def _stream_audio(session: _AudioSession, part: _JSON, split: _TextSplitter) -> Iterator[_JSON]:
    transcript = part["transcript"]
    part["transcript"] = ""
    yield {"type": "response.content_part.added", "part": {"type": "audio", "transcript": ""}}
    for piece, audio in _audio_pieces(session, transcript, split, part["audio"]):
        part["transcript"] += piece
        yield {"type": "response.output_audio_transcript.delta", "delta": piece}
        yield {"type": "response.output_audio.delta", "delta": audio}
    yield {"type": "response.output_audio.done"}
    yield {"type": "response.output_audio_transcript.done", "transcript": part["transcript"]}
    yield {"type": "response.content_part.done", "part": {"type": "audio", "transcript": part["transcript"]}}


def _stream_function_call(session: _AudioSession, item: _JSON, split: _TextSplitter) -> Iterator[_JSON]:
    arguments = item["arguments"]
    call_id = {"call_id": item["call_id"]}
    item["arguments"] = ""
    for piece in split(arguments):
        item["arguments"] += piece
        yield {"type": "response.function_call_arguments.delta", "delta": piece, **call_id}
    done = {"name": item["name"], "arguments": item["arguments"], **call_id}
    yield {"type": "response.function_call_arguments.done", **done}


_ITEM_STREAMERS = {"function_call": _stream_function_call, "message": _stream_message}


# ---- sessions that answer each utterance: live and translation -------------------------------------------------------


class _UtteranceSession(_AudioSession):
    """A session that answers each utterance with speech. An utterance ends with a pause, or with the session."""

    def __init__(self, call: _Call, router: Router) -> None:
        super().__init__(call, router)
        self.utterance_ms = (0, 0)  # the beginning and the end of the utterance that is being answered
        self.transcript: list[_JSON] = []  # utterances and answers, as messages

    @_handles("session.close")
    async def close(self, message: _ClientMessage) -> Iterable[Any]:
        """Answer the rest of the input buffer, and close the connection."""
        events = await self.answer_utterance(message, is_last=True)
        return itertools.chain(events, [self.closed_event("close_requested"), 1000])

    async def answer_utterance(self, message: _ClientMessage, is_last: bool = False) -> Iterable[Any]:
        """Transcribe and answer the utterance in the input buffer, if it has ended."""
        audio = self.non_silent_audio()
        if not audio or (self.trailing_silence_ms() < _SILENCE_DURATION_MS and not is_last):
            return ()
        self.utterance_ms = (self.elapsed_ms, self.end_ms(audio))
        self.take_input_buffer()
        text = await _transcribe(message, _DEFAULT_TRANSCRIPTION_SETTINGS)
        self.transcript.append({"role": "user", "content": text})
        deltas = [self.timed_event("session.input_transcript.delta", delta=piece) for piece in _split_text(text, None)]
        utterance = message.with_body({"type": message.body["type"], "input": text})
        return itertools.chain(deltas, await _answer_as_events(utterance))

    def timed_event(self, event_type: str, **fields: Any) -> _JSON:
        """Return an event about the current utterance."""
        start_ms, end_ms = self.utterance_ms
        return {"type": event_type, "start_ms": start_ms, "end_ms": end_ms, **fields}

    def closed_event(self, reason: str) -> _JSON:
        usage = {"seconds": self.elapsed_ms / 1000}
        return {"type": "session.closed", "reason": reason, "session": self.settings, "usage": usage}


def _utterance_answer_events(call: _Call, answer: _JSON, chunk: int | None) -> Iterator[_Event]:
    """Return the events with the transcript and the audio of the answer to an utterance.

    The events are produced while they are sent, but the transcript of the session and the times of the utterance are
    those of now: when the events are sent, the session may have handled later messages.
    """
    session = call.session
    session.transcript.append({"role": "assistant", "content": answer["text"]})
    transcript_delta = session.timed_event("session.output_transcript.delta")
    audio_delta = session.timed_event("session.output_audio.delta")

    def events() -> Iterator[_Event]:
        for piece, audio in _audio_pieces(session, answer["text"], lambda text: _split_text(text, chunk)):
            yield None, {**transcript_delta, "delta": piece}
            yield None, {**audio_delta, "delta": audio}

    return events()


class _TranslationSession(_UtteranceSession):
    """A session that answers each utterance with its translation."""

    client_events = "realtime.RealtimeTranslationClientEventParam"

    def settings_model(self) -> str:
        return _SETTINGS_MODELS["translation"]

    def opening_events(self) -> list[_JSON]:
        return [{"type": "session.created", "session": self.settings}]

    def format_event(self, message: _ClientMessage, event: _JSON) -> _JSON:
        event = {**event}
        if "end_ms" in event:
            event["elapsed_ms"] = event["end_ms"]
        for name in ("start_ms", "end_ms", "reason", "usage"):
            event.pop(name, None)
        return super().format_event(message, event)

    @_handles("session.input_audio_buffer.append")
    async def append_audio(self, message: _ClientMessage) -> Iterable[Any]:
        self.add_to_input_buffer(message)
        return await self.answer_utterance(message)


class _LiveSession(_UtteranceSession):
    """A live session. It can delegate to `responses.create` and `decisions.create`."""

    client_events = "live.ClientEventParam"

    def __init__(self, call: _Call, router: Router) -> None:
        super().__init__(call, router)
        self.muted = False
        self.response_items: list[_JSON] = []  # the input of a response
        self.decision_items: dict[str, _JSON] = {}  # the input of a decision, besides the transcript
        self.decided_event_ids: set[str] = set()  # the IDs of the `decision.create` events that were handled

    def settings_model(self) -> str:
        return "live.SessionResource"

    def initial_settings(self) -> _JSON:
        settings = super().initial_settings()
        if self.call.params:  # the connection joins a session
            settings["id"] = self.call.params["session_id"]
        return settings

    def format_event(self, message: _ClientMessage, event: _JSON) -> _JSON:
        client_event_id = message.get_str("event_id")
        if client_event_id:
            event = {**event, "client_event_id": client_event_id}
        return super().format_event(message, event)

    def error_event(self, message: _ClientMessage, error: _ServiceError) -> _JSON:
        code = error.envelope["code"] or "invalid_request"
        fields = {"code": code, "client_event_id": message.get_str("event_id")}
        return {"type": "error", "error": error.envelope | fields}

    def expiry_event(self, message: _ClientMessage) -> _JSON:
        return self.closed_event("expired")

    @_handles("session.start")
    def start(self, message: _ClientMessage) -> list[_JSON]:
        _check_param_types(message.call)
        self.settings = _merge_settings(self.settings, message.body.get("session") or {})
        return [{"type": "session.started", "session": self.settings}]

    @_handles("session.input_audio.append")
    async def append_audio(self, message: _ClientMessage) -> Iterable[Any]:
        if not self.muted:
            self.add_to_input_buffer(message)
        return await self.answer_utterance(message)

    async def answer_utterance(self, message: _ClientMessage, is_last: bool = False) -> Iterable[Any]:
        events = await super().answer_utterance(message, is_last)
        triggers = self.settings.get("triggers")
        if triggers:
            return await self._with_triggered_decisions(message, list(events), triggers)
        return events

    @_handles("session.input_audio.mute", "session.input_audio.unmute")
    def mute(self, message: _ClientMessage) -> list[_JSON]:
        self.muted = message.body["type"].endswith(".mute")
        return [{"type": f"{message.body['type']}d"}]

    @_handles("response.item.create")
    def create_response_item(self, message: _ClientMessage) -> list[_JSON]:
        self.response_items.append(message.body["item"])
        return []

    @_handles("response.create")
    async def create_response(self, message: _ClientMessage) -> Iterator[Any]:
        """Answer the items with `responses.create`."""
        params = _get_dict(_get_dict(self.settings, "delegation"), "responses")
        body = {"model": _DEFAULT_MODEL, **params, "input": self.response_items}
        events = await _answer_as_events(message.with_body(body).for_endpoint("responses.create"))
        return ((delay, {"type": "response.event", "event": event}) for delay, event in events)

    @_handles("decision.create")
    async def create_decision(self, message: _ClientMessage) -> list[_JSON]:
        """Make a decision about the transcript and the items with `decisions.create`."""
        event_id = message.body["event_id"]
        params = _get_dict(_get_dict(self.settings, "delegation"), "decisions")
        if not params:
            _reject("The session does not delegate to decisions.", "session.delegation", "invalid_value")
        if event_id in self.decided_event_ids:
            _reject(f"A decision was made for the event '{event_id}' already.", "event_id", "invalid_value")
        self.decided_event_ids.add(event_id)
        return [await self._decision_event(message, params, delegation_id=message.call.store._new_id("delegation_"))]

    async def _with_triggered_decisions(
        self, message: _ClientMessage, events: list[Any], triggers: Iterable[Mapping[str, Any]]
    ) -> list[Any]:
        """Return events, followed by the decision of each trigger whose event type is among them.

        The decision refers to the last event of that type.
        """
        store = message.call.store
        last_of_type: dict[str, _JSON] = {}
        for event in events:
            if isinstance(event, tuple):
                event = event[1]  # without the seconds to wait before it
            if isinstance(event, dict):
                last_of_type[event["type"]] = event
        for trigger in triggers:
            source = last_of_type.get(trigger["event_type"])
            if source:
                source["event_id"] = store._new_id("event_")
                fields = {
                    "source_event_id": source["event_id"],
                    "source_event_type": trigger["event_type"],
                    "trigger_id": store._new_id("trigger_"),
                    "delegation_id": None,
                }
                events.append(await self._decision_event(message, trigger["decisions"], **fields))
        return events

    async def _decision_event(self, message: _ClientMessage, params: Mapping[str, Any], **fields: Any) -> _JSON:
        """Return the event with a decision of `decisions.create`, or with its error."""
        body = {"model": "gpt-6-luna", **params, "input": [*self.transcript, *self.decision_items.values()]}
        # without a session, the request is checked like a request over HTTP
        request = message.with_body(body).for_endpoint("decisions.create", session=None)
        try:
            decision = await _answer_as_dict(request)
        except _ServiceError as error:
            return self.error_event(message, error)
        return {"type": "decision.event", "event": {"type": "decision.completed", "decision": decision}, **fields}

    @_handles("decision.item.create")
    def create_decision_item(self, message: _ClientMessage) -> list[_JSON]:
        _check_param_types(message.call)
        item = {"id": message.call.store._new_id("item_"), **_without_nulls(message.body["item"])}
        if item["id"] in self.decision_items:
            _reject(f"Item with id '{item['id']}' already exists.", "item.id", "invalid_value")
        self.decision_items[item["id"]] = item
        return [{"type": "decision.item.created", "item": item}]

    @_handles("decision.item.delete")
    def delete_decision_item(self, message: _ClientMessage) -> list[_JSON]:
        item_id = message.body["item_id"]
        if self.decision_items.pop(item_id, None) is None:
            _reject(f"Item with id '{item_id}' not found.", "item_id", "invalid_value")
        return [{"type": "decision.item.deleted", "item_id": item_id}]

    @_handles("session.output_audio.fixture.play")
    def play_fixture(self, message: _ClientMessage) -> list[_JSON]:
        return [{"type": f"session.output_audio.fixture.{state}"} for state in ("playing", "played")]

    @_handles("session.instructions.append", "session.thinking.append", "session.commentary.append")
    def append_context(self, message: _ClientMessage) -> list[_JSON]:
        self.utterance_ms = (self.elapsed_ms, self.elapsed_ms)
        return [self.timed_event(f"{message.body['type']}ed")]


class _ForkSession(_LiveSession):
    """A live session that continues another."""

    client_events = "live.ForkClientEventParam"


class _SidebandSession(_LiveSession):
    """A second connection to a live session. Only the first connection starts the session and sends audio."""

    client_events = "live.ConnectClientEventParam"

    @_handles("transport.dtmf.send")
    def send_dtmf(self, message: _ClientMessage) -> list[_JSON]:
        return [{"type": "transport.dtmf.sent", "event": message.body["event"]}]


# ---- client secrets and calls, over HTTP -----------------------------------------------------------------------------


def _derive_client_secret(call: _Call, obj: _JSON) -> _JSON:
    """Return the settings of the request, merged into the default settings of a session of that type."""
    settings = obj["session"]
    default = _new_object(_SETTINGS_MODELS[settings["type"]], call.store, {})
    return {"session": _merge_settings(default, settings)}


def _store_call_settings(call: _Call, obj: Any, script: _Script) -> None:
    """Store the settings of a call for the session that joins it."""
    call.store["realtime.calls"][call.store._new_id("rtc_")] = _get_dict(call.body, "session")


def _location_header(call: _Call) -> list[tuple[bytes, bytes]]:
    """Return the header with the path of the call that was created last. An error before the first call has none."""
    call_id = next(reversed(call.store["realtime.calls"]), None)
    if call_id is None:
        return []
    return [(b"location", f"/v1/realtime/calls/{call_id}".encode())]


def _store_accepted_call(call: _Call, obj: Any, script: _Script) -> None:
    """Store the settings with which a call is accepted, for the session that joins it."""
    call.store["realtime.calls"][call.params["call_id"]] = call.body


def _store_nothing(call: _Call, obj: Any, script: _Script) -> None:
    """Store no object: the answer to an utterance only becomes part of the session's transcript."""


# ---- rows of this API ------------------------------------------------------------------------------------------------


_SDP_ANSWER = b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"  # answers the offer of a WebRTC client
_PCM_FORMAT = {"type": "audio/pcm", "rate": 24000}


# Default settings of voice activity detection: without responses, and with them.
_VAD_DEFAULTS = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
}
_RESPONSE_SETTINGS = {"create_response", "interrupt_response"}
_SERVER_VAD = {
    **_VAD_DEFAULTS,
    "create_response": True,
    "interrupt_response": True,
}


# Defaults of the voice activity detection that a session is changed to, by its type.
_TURN_DETECTION_DEFAULTS = {
    "server_vad": {
        **_SERVER_VAD,
        "idle_timeout_ms": None,
    },
    "semantic_vad": {
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    },
}


# Default settings of the input audio of transcription sessions and of realtime sessions.
_TRANSCRIPTION_AUDIO_INPUT = {
    "format": _PCM_FORMAT,
    "transcription": None,
    "noise_reduction": None,
    "turn_detection": {**_VAD_DEFAULTS, "idle_timeout_ms": None},
}
_REALTIME_AUDIO_INPUT = {
    **_TRANSCRIPTION_AUDIO_INPUT,
    "turn_detection": {**_SERVER_VAD, "idle_timeout_ms": None},
}


# Default settings of realtime sessions, and of those of the beta API.
_REALTIME_SESSION = {
    "model": "gpt-realtime",
    "output_modalities": ["audio"],
    "instructions": "You are a helpful assistant.",
    "tools": [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
    "tracing": None,
    "truncation": "auto",
    "prompt": None,
    "expires_at": _Timestamp(3600),
    "include": None,
    "audio": {
        "input": _REALTIME_AUDIO_INPUT,
        "output": {"format": _PCM_FORMAT, "voice": "alloy", "speed": 1.0},
    },
}
_BETA_REALTIME_SESSION = {
    "id": _NewId("sess_"),
    "object": "realtime.session",
    "model": "gpt-4o-realtime-preview",
    "modalities": ["audio", "text"],
    "instructions": "You are a helpful assistant.",
    "voice": "alloy",
    "input_audio_format": "pcm16",
    "output_audio_format": "pcm16",
    "input_audio_transcription": None,
    "input_audio_noise_reduction": None,
    "turn_detection": _SERVER_VAD,
    "tools": [],
    "tool_choice": "auto",
    "temperature": 0.8,
    "speed": 1.0,
    "max_response_output_tokens": "inf",
    "tracing": None,
}


_DEFAULT_ASSISTANT_MESSAGE = {
    "type": "message",
    "role": "assistant",
    "content": [{"text": _DEFAULT_TEXT}],
}


_extend_table(
    _RESOURCES,
    {
        "realtime.client_secrets": {"key_field": "value"},
        "realtime.translations.client_secrets": {"key_field": "value"},
    },
)


_extend_table(
    _ID_PREFIXES,
    {
        "RealtimeConversationItemAssistantMessage": "item_",
        "RealtimeConversationItemFunctionCall": "item_",
        "RealtimeResponse": "resp_",
        "RealtimeSessionCreateResponse": "sess_",
        "SessionResource": "sess_",
        "RealtimeTranscriptionSessionCreateResponse": "sess_",
        "RealtimeTranslationSession": "sess_",
    },
)


_extend_table(
    _DEFAULTS_BY_SDK_MODEL,
    {
        "beta.realtime.Session": _BETA_REALTIME_SESSION,
        "beta.realtime.SessionCreateResponse": _BETA_REALTIME_SESSION,
        "ClientSecret": {
            "value": _NewId("ek_"),
            "expires_at": _Timestamp(60),
        },
        "ClientSecretCreateResponse": {
            "value": _NewId("ek_"),
            "expires_at": _Timestamp(600),
        },
        "RealtimeResponse": {
            "output": [_DEFAULT_ASSISTANT_MESSAGE],
            "usage": {},
            "object": "realtime.response",
        },
        "RealtimeResponseUsage": {
            "input_tokens": 0,
            "output_tokens": 0,
            "total_tokens": 0,
        },
        "RealtimeSessionCreateResponse": _REALTIME_SESSION,
        "RealtimeTranscriptionSessionCreateResponse": {
            "object": "realtime.transcription_session",
            "expires_at": _Timestamp(3600),
            "include": None,
            "audio": {"input": _TRANSCRIPTION_AUDIO_INPUT},
        },
        "RealtimeTranslationClientSecretCreateResponse": {
            "value": _NewId("ek_"),
            "expires_at": _Timestamp(600),
        },
        "RealtimeTranslationSession": {
            "model": "gpt-realtime-translate",
            "audio": {"input": {}, "output": {"language": "en"}},
        },
        "SessionResource": {
            "model": "gpt-live-1",
            "audio": {"format": _PCM_FORMAT, "output": {"voice": "marin"}},
        },
    },
)


_extend_table(
    _TURN_CONVERTERS,
    {
        "beta.realtime.RealtimeResponse": _turn_to_realtime_response,
        "realtime.RealtimeResponse": _turn_to_realtime_response,
    },
)


_UTTERANCE_BEHAVIOR = _Behavior(  # the behavior of sessions that answer each utterance
    is_generated=True,
    store=_store_nothing,
    events=_utterance_answer_events,
    stores_answer=False,
)


_extend_table(
    _BEHAVIORS,
    {
        "live.connect": _UTTERANCE_BEHAVIOR,
        "live.forks.connect": _UTTERANCE_BEHAVIOR,
        "live.sideband.connect": _UTTERANCE_BEHAVIOR,
        "realtime.calls.accept": _Behavior(store=_store_accepted_call),
        "realtime.calls.create": _Behavior(
            default=_SDP_ANSWER,
            store=_store_call_settings,
            status=201,
            extra_headers=_location_header,
        ),
        "realtime.client_secrets.create": _Behavior(derive=_derive_client_secret),
        "realtime.connect": _Behavior(
            is_generated=True,
            derive=_derive_realtime_response,
            store=_store_realtime_response,
            events=_realtime_response_events,
            get_messages=_messages_from_realtime,
        ),
        "realtime.translations.client_secrets.create": _Behavior(derive=_derive_client_secret),
        "realtime.translations.connect": _UTTERANCE_BEHAVIOR,
    },
)


_extend_table(
    _SOCKET_SESSIONS,
    {
        "beta.realtime.connect": _BetaRealtimeSession,
        "live.connect": _LiveSession,
        "live.forks.connect": _ForkSession,
        "live.sideband.connect": _SidebandSession,
        "realtime.connect": _RealtimeSession,
        "realtime.translations.connect": _TranslationSession,
    },
)


# ======================================================================================================================
# EVALS
# ======================================================================================================================


def _derive_eval(call: _Call, obj: _JSON) -> _JSON:
    """Return the schema of what is evaluated: the application's item and, if there is one, the sample of a model."""
    config = _get_dict(call.body, "data_source_config")
    properties = {"item": config.get("item_schema") or {"type": "object"}}
    if config.get("include_sample_schema") or config.get("type") != "custom":
        properties["sample"] = {"type": "object"}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"data_source_config": obj["data_source_config"] | {"schema": schema}}


def _finish_eval_run(store: StateStore, run: _JSON) -> _JSON:
    """Return the changes that complete a run. All items pass, except those that the test set as errored or failed."""
    source = _get_dict(_get_dict(run, "data_source"), "source")
    items = source.get("content")
    if not items:
        items = _file_lines(store, source.get("id"))
    total = len(items)
    unsuccessful = run["result_counts"]["errored"] + run["result_counts"]["failed"]
    derived_counts = {
        "errored": 0,
        "failed": 0,
        "passed": max(total - unsuccessful, 0),
        "total": total,
    }
    key = (run["eval_id"], run["id"])
    counts = _with_set_fields(store, "evals.runs", key, {"result_counts": derived_counts})["result_counts"]

    results = []
    for criterion in _only_dicts(store["evals"].get(run["eval_id"], {}).get("testing_criteria")):
        result = {
            "testing_criteria": criterion.get("name"),
            "passed": counts["passed"],
            "failed": counts["failed"],
        }
        results.append(result)
    return {"status": "completed", "result_counts": counts, "per_testing_criteria_results": results}


# ---- rows of this API ------------------------------------------------------------------------------------------------


_extend_table(
    _RESOURCES,
    {
        "evals": {"paging": ("asc", 20, 100)},
    },
)


_extend_table(
    _ID_PREFIXES,
    {
        "EvalCreateResponse": "eval_",
        "OutputItemListResponse": "outputitem_",
        "OutputItemRetrieveResponse": "outputitem_",
        "RunCreateResponse": "evalrun_",
    },
)


_extend_table(
    _DEFAULTS_BY_SDK_MODEL,
    {
        "EvalAPIError": {
            "code": "",
            "message": "",
        },
        "RunCreateResponse": {"status": "queued"},
    },
)


_extend_table(
    _IMPLIED_FIELDS,
    {
        "ResultCounts": _implied_by_counts,
    },
)


_extend_table(
    _BEHAVIORS,
    {
        "evals.create": _Behavior(derive=_derive_eval),
        "evals.runs.cancel": _Behavior(stages=({"status": "canceled"},)),
        "evals.runs.create": _Behavior(stages=({}, {"status": "in_progress"}, _finish_eval_run)),
    },
)


# ======================================================================================================================
# CONTAINERS
# ======================================================================================================================


def _require_active_container(call: _Call, id: Any = None) -> None:
    """The container must not be expired. Using it postpones its expiry.

    id: the ID of the container, by default the one in the path.
    Raises the 404 of an unknown container, and the 400 of an expired one.
    """
    if _touch_container(call, id)["status"] == "expired":
        _reject("Container is expired.")


def _touch_container(call: _Call, id: Any = None) -> _JSON:
    """Using a container postpones its expiry, unless it is expired already.

    id: the ID of the container, by default the one in the path.
    Returns the container, also an expired one. Raises the 404 of an unknown container.
    """
    id = id or call.params["container_id"]
    container = _require_object(call, "containers", id, "container_id")
    if container["status"] != "expired":
        container.update(_with_set_fields(call.store, "containers", id, {"last_active_at": int(time.time())}))
    return container


def _derive_container_file(call: _Call, obj: _JSON) -> _JSON:
    """Return the path, the size and the source of a file: an upload, or a stored file with the ID in the request."""
    stored_file = call.store["files"].get(call.body.get("file_id"), {})
    upload_name, upload, _ = _uploaded_file(call.body.get("file"))
    name = stored_file.get("filename", upload_name)
    return {
        "path": f"/mnt/data/{name}",
        "bytes": stored_file.get("bytes", len(upload)),
        "source": "assistant" if stored_file else "user",
    }


def _container_file_content(call: _Call) -> bytes:
    """Return the bytes of the upload, or of the stored file with the ID in the request."""
    _, upload, _ = _uploaded_file(call.body.get("file"))
    return call.store["files.content"].get(call.body.get("file_id"), upload)


# ---- rows of this API ------------------------------------------------------------------------------------------------


_extend_table(
    _RESOURCES,
    {
        "containers": {"on_expire": _mark_expired},
        "containers.files.content": {"parent_params": ("container_id",)},
    },
)


_extend_table(
    _ID_PREFIXES,
    {
        "ContainerCreateResponse": "cntr_",
        "FileCreateResponse": "cfile_",
    },
)


_CONTAINER_DEFAULTS = {
    "object": "container",
    "status": "running",
    "last_active_at": _Timestamp(),
    "expires_after": {"anchor": "last_active_at", "minutes": 20},
}


_extend_table(
    _DEFAULTS_BY_SDK_MODEL,
    {
        "ContainerCreateResponse": _CONTAINER_DEFAULTS,
        "ContainerListResponse": _CONTAINER_DEFAULTS,
        "ContainerRetrieveResponse": _CONTAINER_DEFAULTS,
    },
)


_extend_table(
    _BEHAVIORS,
    {
        "containers.files.content.retrieve": _Behavior(check=_require_active_container),
        "containers.files.create": _Behavior(
            references={"file_id": "files"},
            check=_require_active_container,
            derive=_derive_container_file,
            content=_container_file_content,
        ),
        "containers.files.delete": _Behavior(check=_require_active_container),
        "containers.files.retrieve": _Behavior(check=_require_active_container),
        "containers.retrieve": _Behavior(check=_touch_container),
    },
)


# ======================================================================================================================
# SKILLS
# ======================================================================================================================


def _skill_files(body: Mapping[str, Any]) -> list[tuple[str, bytes, str]]:
    """Return the uploaded files of a skill, each as name, bytes and content type."""
    files = body.get("files") or []
    if not isinstance(files, list):
        files = [files]
    return [file for file in files if isinstance(file, tuple)]


def _join_skill_files(call: _Call) -> bytes:
    """Return the contents of all files, or a dummy content if the request has no files."""
    return b"".join(data for _, data, _ in _skill_files(call.body)) or b"mock content"


def _derive_skill(call: _Call, obj: _JSON) -> _JSON:
    """Return the name and the description of a skill, from the lines `name: ...` and `description: ...` of SKILL.md."""
    fields = {}
    for name, value in re.findall(r"^(name|description): *(.+)$", _skill_manifest(call.body), re.MULTILINE):
        fields.setdefault(name, value.strip().strip("\"'"))
    return fields


def _skill_manifest(body: Mapping[str, Any]) -> str:
    """Return the text of the uploaded SKILL.md: its front matter if it has any. Return "" if there is no such file.

    The file may be in a directory, or in a ZIP archive.
    """
    import zipfile

    for filename, data, _ in _skill_files(body):
        files = {filename: data}
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                files = {name: archive.read(name) for name in archive.namelist()}
        for name, content in files.items():
            if os.path.basename(name) == "SKILL.md":
                text = content.decode(errors="replace").replace("\r\n", "\n")
                front_matter = re.match(r"---\n(.*?)\n---", text, re.DOTALL)
                return front_matter[1] if front_matter else text
    return ""


def _skill_content(call: _Call) -> bytes:
    """Return the content of the default version of a skill, or what is stored for the skill if there is no version."""
    skill = _require_target(call)
    content = call.store["skills.versions.content"].get((skill["id"], skill.get("default_version")))
    return _handle_content(call) if content is None else content


def _derive_skill_version(call: _Call, obj: _JSON) -> _JSON:
    """Return the name and the description of a version, and its number: the one after the latest."""
    skill = call.store["skills"].get(call.parent_ids[0], {})
    latest = str(skill.get("latest_version") or 0)
    if not re.fullmatch("[0-9]{1,18}", latest):  # a test may set any version
        latest = str(len(call.store._children("skills.versions", *call.parent_ids)))
    return {**_derive_skill(call, obj), "version": str(int(latest) + 1)}


def _store_skill(call: _Call, obj: _JSON, script: _Script) -> None:
    """Store a skill, its first version, and the content of that version."""
    _store_created(call, obj, script)
    id = obj["id"]
    version = obj["latest_version"]
    version_fields = {
        "skill_id": id,
        "version": version,
        "name": obj["name"],
        "description": obj["description"],
    }
    _add_related_object(call.store, "skills.versions", (id,), version_fields)
    call.store["skills.versions.content"][id, version] = _join_skill_files(call)


def _store_skill_version(call: _Call, obj: _JSON, script: _Script) -> None:
    """Store a version as the latest of its skill and, if the request says so, as the default one."""
    _store_created(call, obj, script)
    skill = call.store["skills"].get(call.parent_ids[0], {})
    skill["latest_version"] = obj["version"]
    if call.body.get("default") in (True, "true"):
        skill["default_version"] = obj["version"]


# ---- rows of this API ------------------------------------------------------------------------------------------------


_extend_table(
    _RESOURCES,
    {
        "skills.content": {"parent_params": ()},
        "skills.versions": {"key_field": "version"},
        "skills.versions.content": {"parent_params": ("skill_id",)},
    },
)


_extend_table(
    _ID_PREFIXES,
    {
        "SkillVersion": "skillver_",
    },
)


_extend_table(
    _DEFAULTS_BY_SDK_MODEL,
    {
        "Skill": {
            "default_version": "1",
            "latest_version": "1",
        },
        "SkillVersion": {"version": "1"},
    },
)


_extend_table(
    _BEHAVIORS,
    {
        "skills.content.retrieve": _Behavior(handler=_skill_content),
        "skills.create": _Behavior(
            derive=_derive_skill,
            store=_store_skill,
            content=_join_skill_files,
        ),
        "skills.versions.create": _Behavior(
            derive=_derive_skill_version,
            store=_store_skill_version,
            content=_join_skill_files,
        ),
    },
)


# ======================================================================================================================
# VIDEOS
# ======================================================================================================================


def _derive_remix(call: _Call, obj: _JSON) -> _JSON:
    """Return the ID of the source video, which is in the path or in the body."""
    source_ids = _find_ids([call.params.get("video_id"), call.body.get("video")])
    return {"remixed_from_video_id": source_ids[0] if source_ids else None}


# ---- rows of this API ------------------------------------------------------------------------------------------------


_extend_table(
    _ID_PREFIXES,
    {
        "VideoCreateCharacterResponse": "char_",
    },
)


_extend_table(
    _DEFAULTS_BY_SDK_MODEL,
    {
        "Video": {
            "progress": 100,
            "model": "sora-2",
            "seconds": "4",
            "size": "720x1280",
        },
    },
)


_VIDEO_STAGES = (
    {"status": "queued", "progress": 0, "completed_at": None},
    {"status": "in_progress", "progress": 50},
    {"status": "completed", "progress": 100, "completed_at": _Timestamp()},
)


_REMIX_BEHAVIOR = _Behavior(  # the behavior of calls that create a video from another one
    is_generated=True,
    references={"video_id": "videos", "video": "videos"},
    derive=_derive_remix,
    store=_store_created,
    stages=_VIDEO_STAGES,
)


_extend_table(
    _BEHAVIORS,
    {
        "videos.create": _Behavior(is_generated=True, stages=_VIDEO_STAGES),
        "videos.edit": _REMIX_BEHAVIOR,
        "videos.extend": _REMIX_BEHAVIOR,
        "videos.remix": _REMIX_BEHAVIOR,
    },
)


# ======================================================================================================================
# ADMINISTRATION AND WEBHOOK ENDPOINTS
# ======================================================================================================================


# ---- assignments, such as a role of a user ---------------------------------------------------------------------------


def _assignment_behavior(param: str, source: str) -> _Behavior:
    """Return the behavior of a call that assigns one object to another, such as a role to a user.

    param: the request parameter with the ID of the assigned object, such as `role_id`.
    source: the resource that contains the assigned object, such as `admin.organization.roles`.
    The other object is in the path. The assigned object is stored again below it.
    """
    return _Behavior(
        derive=functools.partial(_derive_assignment, param=param, source=source),
        store=functools.partial(_store_assignment, param=param, source=source),
        stores_answer=False,
    )


def _derive_assignment(call: _Call, obj: _JSON, param: str, source: str) -> _JSON:
    """Return the objects on both sides of an assignment, each with the fields that the answer has for it.

    param, source: see `_assignment_behavior`.
    """
    id = call.body.get(param)
    assigned = _find_assigned(call, id, source)
    if id:
        assigned = {**assigned, "id": id}
    parent = {}
    if call.resource.parent:
        parent = call.store[call.resource.parent.name].get(_to_key(call.parent_ids), {})
    parent_param = call.shape.parent_params[-1]
    sides = {param.removesuffix("_id"): assigned, parent_param.removesuffix("_id"): parent}

    field_types = _fields_of(call.response_type)
    derived = {}
    for name, side in sides.items():
        if isinstance(obj.get(name), dict):
            derived[name] = obj[name] | _accepted_fields(field_types[name].type, side)
            if "id" in side:
                derived[name]["id"] = side["id"]
    return derived


def _store_assignment(call: _Call, obj: _JSON, script: _Script, param: str, source: str) -> None:
    """Store the assigned object below the object in the path, with the fields that the answer shows of it.

    param, source: see `_assignment_behavior`.
    """
    assigned = obj.get(param.removesuffix("_id")) or {}
    id = assigned.get("id") or obj.get(param) or call.body.get(param)
    _check_type(param, id, str)
    call.objects[(*call.parent_ids, id)] = {**_find_assigned(call, id, source), **assigned, "id": id, param: id}


def _derive_project_group(call: _Call, obj: _JSON) -> _JSON:
    """Return the name of the group that is added to a project, if the group is stored."""
    group = _find_assigned(call, obj["group_id"], "admin.organization.groups")
    return {"group_name": group["name"]} if "name" in group else {}


def _store_project_group(call: _Call, obj: _JSON, script: _Script) -> None:
    """Store a group of a project with the fields of the group and those of the answer."""
    id = obj["group_id"]
    group = _find_assigned(call, id, "admin.organization.groups")
    call.objects[(*call.parent_ids, id)] = {**group, **obj, "id": id}


def _find_assigned(call: _Call, id: Any, source: str) -> _JSON:
    """Return the object with an ID from the resource `source`, or {} if it isn't stored."""
    parents = call.parent_ids[: len(_get_resource(source).parent_params)]
    return call.store[source].get(_to_key((*parents, id)), {})


# ---- certificates, service accounts, projects, webhooks --------------------------------------------------------------


def _set_certificates_active(call: _Call, active: bool) -> Any:
    """Activate or deactivate certificates of the organization or of the project in the path.

    Returns a page of the certificates. Raises the 404 of an unknown project or certificate.
    """
    _require_parents(call)
    resource = _get_resource("admin.organization.certificates")
    item_type = _page_item_type(call.response_type)
    changed = []
    for id in call.body.get("certificate_ids") or ():
        certificate = _require_object(call, resource.name, id, "certificate_ids")
        if call.parent_ids:
            certificate = {**certificate, "object": "organization.project.certificate"}
            call.store["admin.organization.projects.certificates"][(*call.parent_ids, id)] = certificate
        certificate["active"] = active
        changed.append(_project(item_type, resource, certificate, call.store))

    page = _make_page(call.row, changed)
    action = "activation" if active else "deactivation"
    page["object"] = f"{_default_value(item_type)['object']}.{action}"
    return page


def _derive_service_account(call: _Call, obj: _JSON) -> _JSON:
    """Return the API key that is created with a service account."""
    model = _select_model(_fields_of(call.response_type)["api_key"].type, {})
    return {"api_key": obj["api_key"] or _fill_placeholders(_default_value(model), call.store)}


def _store_service_account(call: _Call, obj: _JSON, script: _Script) -> None:
    """Store a service account, and its API key if it has one."""
    _store_created(call, obj, script)
    if obj["api_key"]:
        _store_project_api_key(call, obj["api_key"], script)


def _store_project_api_key(call: _Call, api_key: _JSON, script: _Script) -> None:
    """Store the API key of a service account among the API keys of the project."""
    path = "admin.organization.projects.ProjectAPIKey"
    stored = _new_object(path, call.store, _accepted_fields(_sdk_type(path), api_key))
    call.store["admin.organization.projects.api_keys"][(*call.parent_ids, api_key["id"])] = stored


def _list_projects(call: _Call) -> Any:
    """Return a page of projects, without archived ones unless the query includes them."""
    query = call.query
    if query.get("include_archived") != "true":
        query = {**query, "status": "active"}  # the fields of a query filter the list
    return _handle_list(call, query)


def _rotate_webhook_secret(call: _Call) -> _JSON:
    """Return a webhook endpoint with a new signing secret. Raise the 404 of an unknown one."""
    endpoint = _as_response(call, _require_target(call))
    return {**endpoint, "signing_secret": call.store._new_id("whsec_")}


# ---- rows of this API ------------------------------------------------------------------------------------------------


_extend_table(
    _RESOURCES,
    {
        "admin": {"paging": ("asc", 20, 100)},
        "admin.organization.certificates": {"paging": ("desc", 20, 100)},
        "admin.organization.groups": {"paging": ("asc", 100, 1000)},
        "admin.organization.groups.users": {"paging": ("desc", 100, 1000)},
        "admin.organization.projects.certificates": {"paging": ("desc", 20, 100)},
        "admin.organization.projects.rate_limits": {"paging": ("asc", 100, 1000)},
        "admin.organization.projects.roles": {
            "paging": ("asc", 1000, 1000),
            "param_aliases": {"role_name": "name"},
        },
        "admin.organization.projects.users": {"param_aliases": {"user_id": "id"}},
        "admin.organization.roles": {
            "paging": ("asc", 1000, 1000),
            "param_aliases": {"role_name": "name"},
        },
    },
)


_extend_table(
    _ID_PREFIXES,
    {
        "AdminAPIKey": "key_",
        "AdminAPIKeyCreateResponse": "key_",
        "APIKey": "key_",
        "APIKeyCreateResponse": "key_",
        "AuditLogListResponse": "audit_log-",
        "Certificate": "cert_",
        "Invite": "invite-",
        "OrganizationUser": "user-",
        "Project": "proj_",
        "ProjectAPIKey": "key_",
        "ProjectRateLimit": "rl-",
        "ProjectServiceAccount": "svc_acct_",
        "ProjectUser": "user-",
        "ServiceAccountCreateResponse": "svc_acct_",
        "WebhookEndpointWithSecret": "we_",
    },
)


_extend_table(
    _DEFAULTS_BY_SDK_MODEL,
    {
        "Invite": {"status": "pending"},
        "WebhookEndpointWithSecret": {"signing_secret": _NewId("whsec_")},
        "Project": {
            "name": "",
            "status": "active",
        },
        "WebhookEventTypeList": {"data": ["response.completed", "batch.completed"]},
    },
)


_ACTIVATION_BEHAVIOR = _Behavior(handler=functools.partial(_set_certificates_active, active=True))
_DEACTIVATION_BEHAVIOR = _Behavior(handler=functools.partial(_set_certificates_active, active=False))


_extend_table(
    _BEHAVIORS,
    {
        "admin.organization.certificates.activate": _ACTIVATION_BEHAVIOR,
        "admin.organization.certificates.deactivate": _DEACTIVATION_BEHAVIOR,
        "admin.organization.groups.roles.create": _assignment_behavior("role_id", "admin.organization.roles"),
        "admin.organization.groups.users.create": _assignment_behavior("user_id", "admin.organization.users"),
        "admin.organization.projects.archive": _Behavior(stages=({"status": "archived", "archived_at": _Timestamp()},)),
        "admin.organization.projects.certificates.activate": _ACTIVATION_BEHAVIOR,
        "admin.organization.projects.certificates.deactivate": _DEACTIVATION_BEHAVIOR,
        "admin.organization.projects.groups.create": _Behavior(
            derive=_derive_project_group,
            store=_store_project_group,
            stores_answer=False,
        ),
        "admin.organization.projects.groups.roles.create": _assignment_behavior(
            "role_id", "admin.organization.projects.roles"
        ),
        "admin.organization.projects.list": _Behavior(handler=_list_projects),
        "admin.organization.projects.service_accounts.api_keys.create": _Behavior(
            check=_require_target,
            store=_store_project_api_key,
        ),
        "admin.organization.projects.service_accounts.create": _Behavior(
            derive=_derive_service_account,
            store=_store_service_account,
        ),
        "admin.organization.projects.users.roles.create": _assignment_behavior(
            "role_id", "admin.organization.projects.roles"
        ),
        "admin.organization.users.roles.create": _assignment_behavior("role_id", "admin.organization.roles"),
        "webhooks.rotate_secret": _Behavior(handler=_rotate_webhook_secret),
    },
)


# ======================================================================================================================
# REPLIES: an answer as JSON, bytes or a stream of events
# ======================================================================================================================


def _reply(call: _Call, obj: Any, pace: Pace) -> httpx.Response:
    """Convert the answer to a call to an HTTP response.

    obj: the answer as JSON, text, bytes or None. A stream reads a copy of it.
    pace: the delays and the fault of the response, as `streamed()` sets them.
    Returns a stream of events if the request asks for one and the endpoint has events, and one body otherwise. The body
    is produced while the client reads it, and the fault of a pace is raised then.
    """
    if call.wants_stream and call.behavior.events:
        snapshot = _copy_json(obj)  # the stored object may change before the client has read all events
        events: Any = call.behavior.events(call, snapshot, pace.chunk)
        if (
            pace == Pace(pace.chunk) and not call.behavior.is_interactive
        ):  # without delays and faults, events can share a chunk, which is faster
            events = _batch_events(events)
        return _stream_response(call, events, pace)
    if isinstance(obj, bytes) and pace != _NO_DELAY:
        length = max(len(obj), 1)  # an empty body is sent as one empty piece, so that the pace applies to it
        size = pace.chunk or length
        chunks = (obj[start : start + size] for start in range(0, length, size))
        return _stream_response(call, chunks, pace)
    if isinstance(obj, bytes):
        return _make_response(call, call.behavior.status, obj, _binary_content_type(call))
    if isinstance(obj, str):
        return _make_response(call, 200, _encode_utf8(obj), "text/plain; charset=utf-8")
    if obj is None:
        obj = {}
        if call.row.method == "DELETE":  # the service reports the deletion, which the SDK ignores
            obj["id"] = call.params.get(call.shape.item_param)
            obj["object"] = f"{call.resource.noun}.deleted"
            obj["deleted"] = True
    response = _json_response(call, obj)
    if pace.first_delay:
        response.stream = _PacedStream(list(response.stream), Pace(first_delay=pace.first_delay), call.request)
    return response


def _stream_response(call: _Call, events: Any, pace: Pace) -> httpx.Response:
    """Return a response that sends events, or chunks of bytes, while the client reads it."""
    content_type = "text/event-stream; charset=utf-8"
    if call.row.model == "bytes" and not call.wants_stream:
        content_type = _binary_content_type(call)
    headers = _response_headers(call, content_type)
    return _LazyResponse(200, headers=headers, stream=_PacedStream(events, pace, call.request))


def _binary_content_type(call: _Call) -> str:
    """Return the content type of bytes: that of the audio format of speech, or that of the filename of a stored file."""
    audio_format = _audio_format(call)
    if audio_format:
        subtype = "mpeg" if audio_format == "mp3" else audio_format
        return f"audio/{subtype}"
    path = None
    if call.shape.item_param:
        path = call.objects.get(call.key, {}).get("path")
    content_type = mimetypes.guess_type(path or "")[0] or "application/octet-stream"
    if content_type.startswith("text/"):
        content_type += "; charset=utf-8"
    return content_type


def _batch_events(events: Iterator[_Event]) -> Iterator[bytes]:
    """Yield encoded events in batches of 1, 2, 4 and so on up to 256 events.

    The first event arrives without waiting for others to be produced, and a long stream has few chunks.
    events: an iterator, because each batch continues where the last one ended.
    """
    size = 1
    while batch := list(itertools.islice(events, size)):
        yield b"".join(map(_encode_event, batch))
        size = min(2 * size, 256)


def _encode_event(event: _Event) -> bytes:
    """Encode an event as a server-sent event. Data in bytes is sent as it is."""
    name, data = event
    if isinstance(data, bytes):
        return data
    text = data if isinstance(data, str) else _json_encode(data)
    lines = "".join(f"data: {line}\n" for line in text.split("\n"))
    if name:
        lines = f"event: {name}\n{lines}"
    return _encode_utf8(f"{lines}\n")


def _json_response(call: _Call, obj: Any, status: int = 200) -> httpx.Response:
    return _make_response(call, status, _encode_utf8(_json_encode(obj)), "application/json")


def _make_response(call: _Call, status: int, data: bytes, content_type: str) -> httpx.Response:
    headers = [*_response_headers(call, content_type), (b"content-length", b"%d" % len(data))]
    return _LazyResponse(status, headers=headers, stream=httpx.ByteStream(data))


# Headers of every answer.
_COMMON_HEADERS = (
    (b"openai-processing-ms", b"1"),
    (b"openai-version", b"2020-10-01"),
    (b"openai-organization", b"org-mock"),
    (b"openai-project", b"proj_mock"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains; preload"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-envoy-upstream-service-time", b"1"),
    (b"x-openai-proxy-wasm", b"v0.1"),
)


# The rate limits of an account: how much it may use in a minute, how much is left, and when all of it is left again.
_RATE_LIMITS = {
    "requests": {
        "limit": 10000,
        "remaining": 9999,
        "reset_seconds": 0.006,
    },
    "tokens": {
        "limit": 2000000,
        "remaining": 1999990,
        "reset_seconds": 0.0,
    },
}


def _rate_limit_headers() -> list[tuple[bytes, bytes]]:
    """Return the rate limits as headers of a response."""
    headers = []
    for name, limit in _RATE_LIMITS.items():
        reset_ms = 1000 * limit["reset_seconds"]
        headers.append((f"x-ratelimit-limit-{name}", f"{limit['limit']}"))
        headers.append((f"x-ratelimit-remaining-{name}", f"{limit['remaining']}"))
        headers.append((f"x-ratelimit-reset-{name}", f"{reset_ms:g}ms" if reset_ms else "0s"))
    return [(name.encode(), value.encode()) for name, value in headers]


# Headers of the answers that models generate.
_RATE_LIMIT_HEADERS = _rate_limit_headers()


def _response_headers(call: _Call, content_type: str) -> list[tuple[bytes, bytes]]:
    """Return the headers of a response, with a new request ID, but without a content length."""
    headers = [
        (b"content-type", content_type.encode()),
        (b"x-request-id", call.store._new_id("req_").encode()),
        (b"date", _http_date(int(time.time()))),
        *_COMMON_HEADERS,
    ]
    if call.behavior.is_generated:
        headers += _RATE_LIMIT_HEADERS
    if call.behavior.extra_headers:
        headers += call.behavior.extra_headers(call)
    if call.shape.verb == "retrieve":
        headers.append((b"openai-poll-after-ms", b"1"))  # how long the SDK's polling helpers wait
    return headers


@functools.lru_cache(maxsize=1)
def _http_date(timestamp: int) -> bytes:
    return email.utils.formatdate(timestamp, usegmt=True).encode()


class _LazyResponse(httpx.Response):
    """A response that reads its stream only when its content is used, and parses its headers only when they are used.

    A client reads the stream itself, and expects that nobody has read it before.
    """

    def __init__(self, status_code: int, headers: Sequence[tuple[bytes, bytes]], stream: Any, **options: Any) -> None:
        super().__init__(status_code, stream=stream, **options)
        self.raw_headers = headers
        del self.headers

    @functools.cached_property
    def headers(self) -> httpx.Headers:  # type: ignore[override]
        return httpx.Headers(list(self.raw_headers))

    @property
    def content(self) -> bytes:
        return self.read()


def _to_event(value: Any) -> _Event:
    """Convert an item of a test's stream to an event.

    value: an (event, data) pair, a dict with `event` and `data`, another dict or a model, whose `type` is its event, or a
        string or bytes.
    Raises `TypeError` for anything else.
    """
    if isinstance(value, tuple):
        if len(value) != 2 or not isinstance(value[0], (str, type(None))):
            raise TypeError(f"stream event is {_safe_repr(value)}; expected a pair of the event's name and its data")
        return value
    if isinstance(value, (bytes, str)):
        return None, value
    try:
        data = _to_json(value, "stream event")
    except ValueError as error:  # a generator of the test may raise a `ValueError` on purpose
        raise TypeError(str(error)) from None
    if not isinstance(data, dict):
        return None, data
    if isinstance(data.get("event"), str) and "data" in data:
        return data["event"], data["data"]
    return data.get("type"), data


# ---- read timeouts of clients ----------------------------------------------------------------------------------------


# A name of its own, because freezegun replaces `time.perf_counter`. A test that moves the clock is not slow.
_clock = time.perf_counter


def _read_timeout(request: httpx.Request) -> float:
    """Return the seconds that a client waits for each part of a response. It is infinite if the client sets no limit."""
    seconds = request.extensions.get("timeout", {}).get("read")
    return math.inf if seconds is None else seconds


def _raise_read_timeout(request: httpx.Request) -> typing.NoReturn:
    """Raise what the client's HTTP library raises if a part of a response takes too long. The SDK retries at once."""
    _ended_in_fault.set(True)
    message = f"the answer took longer than the client's read timeout of {_read_timeout(request):g} seconds"
    raise _native_error(httpx.ReadTimeout(message), request)


async def _await_within_read_timeout(awaitable: Any, request: httpx.Request) -> Any:
    """Return the result of an awaitable. Cancel it and raise the client's read timeout if it takes longer."""
    import anyio

    with anyio.move_on_after(_read_timeout(request)):  # the first scope of a process is slow, so it is not measured
        with _enforce_read_timeout(request):
            return await awaitable
    _raise_read_timeout(request)


@contextlib.contextmanager
def _enforce_read_timeout(request: httpx.Request) -> Iterator[None]:
    """Raise the client's read timeout at the end of the context, if its code took longer and raised nothing itself."""
    started = _clock()
    yield
    if _clock() - started > _read_timeout(request):
        _raise_read_timeout(request)


async def _wait_for_first_byte(call: _Call, response: httpx.Response, wait: _Wait) -> None:
    """Raise the client's read timeout, after that time, if the first byte of a response takes longer.

    A shorter delay is left to the body. So is the delay of a stream of events, whose headers are sent before its delay.
    """
    stream = response.stream
    if not isinstance(stream, _PacedStream) or call.wants_stream:
        return
    if stream.pace.first_delay > _read_timeout(call.request):
        await _wait_within_read_timeout(call, stream.pace.first_delay, wait)


async def _wait_within_read_timeout(call: _Call, delay: float, wait: _Wait) -> None:
    """Wait for a delay in seconds, or raise the client's read timeout when the client has waited for so long."""
    if not delay:
        return
    read_timeout = _read_timeout(call.request)
    await wait(_sleep(min(delay, read_timeout)))
    if delay > read_timeout:
        _raise_read_timeout(call.request)


# ---- streams for synchronous and asynchronous clients ----------------------------------------------------------------


class _SyncAsyncStream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A stream of bytes for synchronous and asynchronous clients, from an iterable of either kind."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self.iterator: Any = None

    def __iter__(self) -> Iterator[bytes]:
        self.iterator = iter(self.source) if hasattr(self.source, "__iter__") else _to_sync_iterator(self.source)
        return self.iterator

    def __aiter__(self) -> Any:
        return self.source.__aiter__() if hasattr(self.source, "__aiter__") else _to_async_iterator(self.source)

    def close(self) -> None:
        for iterable in (self.iterator, self.source):
            if hasattr(iterable, "close"):
                iterable.close()

    async def aclose(self) -> None:
        if hasattr(self.source, "aclose"):
            await self.source.aclose()
        else:
            self.close()


# In seconds. No test waits so long, and the SDK's default is longer. A generator that has a task group open while it
# yields does not work if each of its items gets a cancel scope, so the items for a client with such a timeout get none.
_LONG_READ_TIMEOUT = 60


class _TimedSource(_SyncAsyncStream):
    """A stream from an iterable of a test. An item that takes longer than the client's read timeout raises it."""

    def __init__(self, source: Any, request: httpx.Request) -> None:
        super().__init__(source)
        self.request = request

    def __iter__(self) -> Iterator[Any]:
        if hasattr(self.source, "__iter__"):
            self.iterator = iter(self.source)
        else:  # in the thread that waits for an item, `__anext__` can cancel it
            self.iterator = _to_sync_iterator(_TimedSource(self.source, self.request))
        return self

    def __next__(self) -> Any:
        with _enforce_read_timeout(self.request):
            return next(self.iterator)

    def __aiter__(self) -> Any:
        self.iterator = super().__aiter__()
        return self

    async def __anext__(self) -> Any:
        item = anext(self.iterator)
        if _read_timeout(self.request) >= _LONG_READ_TIMEOUT:
            return await item
        return await _await_within_read_timeout(item, self.request)

    async def aclose(self) -> None:
        if hasattr(self.iterator, "aclose"):
            await self.iterator.aclose()
        await super().aclose()


# Markers in a stream: before its first event, after its last one, and where the pace breaks it off.
_STREAM_START = object()
_STREAM_END = object()
_STREAM_BREAK = object()


class _PacedStream(_SyncAsyncStream):
    """A stream of events with the delays and the fault of a pace."""

    def __init__(self, events: Any, pace: Pace, request: httpx.Request) -> None:
        super().__init__(events)
        self.pace = pace
        self.request = request
        self.raised_fault: BaseException | None = None

    def __iter__(self) -> Iterator[bytes]:
        read_timeout = _read_timeout(self.request)
        for delay, event in self._timed_events():
            time.sleep(min(delay, read_timeout))
            if delay > read_timeout:
                _raise_read_timeout(self.request)
            yield self._fault() if event is _STREAM_BREAK else _encode_event(_to_event(event))

    async def __aiter__(self) -> Any:
        self.source = super().__aiter__()
        read_timeout = _read_timeout(self.request)
        number = 0
        event = _STREAM_START
        while event is not _STREAM_END:
            if event is not _STREAM_START:
                delay = self._delay(number)
                await _sleep(min(delay, read_timeout))
                if delay > read_timeout:
                    _raise_read_timeout(self.request)
                yield _encode_event(_to_event(event))
            if number == self.pace.fail_after:
                yield self._fault()
                return
            number += 1
            event = await anext(self.source, _STREAM_END)

    def timed_messages(self) -> Iterator[tuple[float, Any]]:
        """Yield the messages of a WebSocket, with the seconds to wait before each.

        For a fault, the message is an event to send, a close code, or None to break the connection.
        Raises an exception of the test's generator as a `_SetFault`, and a bug as `_bug_of_content` returns it.
        """
        fault = self.pace.fault
        try:
            for delay, event in self._timed_events():
                if event is not _STREAM_BREAK:
                    yield delay, _to_event(event)[1]
                elif fault != b"":
                    yield delay, fault if isinstance(fault, (dict, str, int)) else None
        except Exception as error:
            raise _bug_of_content(error) or _SetFault(error) from error

    def _timed_events(self) -> Iterator[tuple[float, Any]]:
        """Yield each event, with the seconds to wait before it.

        After `pace.fail_after` events, yield `_STREAM_BREAK` and end. A shorter stream ends without it.
        """
        # the start is number 0, so that `fail_after=0` breaks the stream before its first event
        for number, event in enumerate(itertools.chain([_STREAM_START], super().__iter__())):
            if event is not _STREAM_START:
                yield self._delay(number), event
            if number == self.pace.fail_after:
                yield 0.0, _STREAM_BREAK
                return

    def _delay(self, number: int) -> float:
        return self.pace.first_delay if number == 1 else self.pace.delay

    def _fault(self) -> bytes:
        """Return the bytes that the client gets instead of the next event, or raise a network fault."""
        fault = self.pace.fault
        if isinstance(fault, bytes):
            return fault
        if isinstance(fault, str):
            return _encode_event((None, fault))
        if isinstance(fault, Mapping):
            event = _to_event(fault) if "type" in fault else ("error", _to_json(fault, "fault"))
            return _encode_event(event)
        _ended_in_fault.set(True)
        fault = fault or httpx.RemoteProtocolError("the mock broke off the stream")
        self.raised_fault = _native_error(fault, self.request)
        raise self.raised_fault


def _bug_of_content(error: Exception) -> Exception | None:
    """Return the mistake that an exception of a test's content shows, or None if the test raised it on purpose.

    error: an exception that was raised while a generator or an iterator of the test was read.
    """
    if _is_end_of_iterator(error):
        return _end_of_iterator_error("the content of the response")
    return error if isinstance(error, _BUG_TYPES) else None


class _WatchedStream(_SyncAsyncStream):
    """A stream that remembers the mistakes in its content, because the application may catch them.

    source: the stream to read.
    add_mistake: called with the exception of each mistake.
    """

    def __init__(self, source: Any, add_mistake: Callable[[Exception], None]) -> None:
        super().__init__(source)
        self.add_mistake = add_mistake

    def __iter__(self) -> Iterator[bytes]:
        with self._watch():
            yield from super().__iter__()

    async def __aiter__(self) -> Any:
        with self._watch():
            async for piece in super().__aiter__():
                yield piece

    @contextlib.contextmanager
    def _watch(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            mistake = _bug_of_content(error)
            is_set = error is getattr(self.source, "raised_fault", None)
            if mistake is None or is_set:
                raise
            self.add_mistake(mistake)
            if mistake is error:
                raise
            raise mistake from error


async def _to_async_iterator(items: Iterable[Any]) -> Any:
    """Yield items to an asynchronous client, and close a generator when the client stops."""
    try:
        for item in items:
            yield item
    finally:
        if isinstance(items, types.GeneratorType):
            items.close()


async def _sleep(seconds: float) -> None:
    if seconds:
        import anyio

        await anyio.sleep(seconds)


def _to_sync_iterator(items: Any) -> Iterator[Any]:
    """Yield the items of an asynchronous iterable to a synchronous client, and close its iterator when the client stops."""
    iterator = items.__aiter__()
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        try:
            while True:
                yield _run_in_thread(loop.run_until_complete, iterator.__anext__())
        except StopAsyncIteration:
            return
        finally:
            if hasattr(iterator, "aclose"):
                _run_in_thread(loop.run_until_complete, iterator.aclose())


def _run_in_thread(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function in a new thread, and return its result. The current thread may have a running event loop."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result()


# ======================================================================================================================
# SCRIPTS: a response selected, checked and resolved
# ======================================================================================================================


async def _answer(call: _Call, wait: _Wait, record: Record | None = None, reply: Any = None) -> Any:
    """Answer a call: select the response, check the request, resolve the response, build and store the answer.

    wait: waits for an awaitable that the test's response returns. The lock of the state is not held meanwhile.
    record: the entry of the call in the request log. It gets the endpoint or rule that answers the call.
    reply: converts the call, its answer and the pace to the result; `_reply` if None.
    Returns an HTTP response, or the result of `reply`. An error of the service is an HTTP response too.
    Raises mistakes of the test as `AssertionError`, `TypeError` or `ValueError`, and a fault that the test set as
    `_SetFault`. An exception from a callable of the test propagates.
    """
    try:
        with call.store.lock:
            earlier_answer = _earlier_answer(call)
            if earlier_answer is not None:
                return (reply or _reply)(call, earlier_answer, _NO_DELAY)
            scripted = _select_response(call)
            is_checked = _needs_check(call, scripted)
            with _attribute_errors(call):  # before `_next_script`: a rejected request does not use up a step of a list
                if is_checked:
                    _check_request(call)
                else:
                    _check_limits(call)
            if record:
                record.answered_by = scripted
            script = scripted._next_script() if scripted else _NOT_SET
        script = await _resolve_script(call, script, wait)
        if isinstance(script, httpx.Response):
            return script
        if script is _NOT_SET:
            await _prepare_default_answer(call, wait, is_checked)
        with call.store.lock, _attribute_errors(call):
            answer = _build_answer(call, script)
            _keep_answer(call, answer)
            if reply:
                return reply(call, answer, script.pace)
            response = _reply(call, answer, script.pace)
            if script.headers:
                response.headers.update(script.headers)
            return response
    except _ServiceError as error:
        return _json_response(call, {"error": error.envelope}, error.status)


def _earlier_answer(call: _Call) -> Any:
    """Return the answer to an earlier request with the same idempotency key, or None if there was none.

    Raises the service's 409 if the earlier request had another body.
    """
    key = _idempotency_key(call)
    earlier = call.store._store_metadata.keyed_answers.get(key) if key else None
    if earlier is None:
        return None
    content, answer = earlier
    if content != call.request.content:
        message = "This Idempotency-Key belongs to an earlier request with another body."
        _reject(message, code="idempotency_conflict", status=409)
    return answer


def _keep_answer(call: _Call, answer: Any) -> None:
    """Keep the answer to a request with an idempotency key, for later requests with the same key."""
    if key := _idempotency_key(call):
        call.store._store_metadata.keyed_answers[key] = call.request.content, answer


def _idempotency_key(call: _Call) -> tuple[str, ...] | None:
    """Return the endpoint, the IDs in the path and the idempotency key of a request, or None if no key counts."""
    if not call.behavior.is_idempotent or "idempotency-key" not in call.request.headers:
        return None
    return (call.row.name, *call.params.values(), call.request.headers["idempotency-key"])


def _select_response(call: _Call) -> Scripted | None:
    """Return the endpoint or rule whose response answers a call, or None if nothing is set for the call.

    The endpoint of the call comes first. If nothing is set there, these follow: the endpoint that its behavior falls back
    to, or for a call that continues an object, the endpoint that created the object.
    """
    needs_output = _generates_output(call)
    scripted = call.mock._endpoint(call.row)._select(call)
    if scripted is not None and not needs_output and _is_output(scripted):
        return None
    if scripted is not None:
        return scripted
    if call.behavior.fallback_to:
        prefix = "beta." if call.row.name.startswith("beta.") else ""
        return call.mock._endpoint(_rows()[prefix + call.behavior.fallback_to])._select(call)
    if not call.behavior.resume or not needs_output:
        return None
    metadata = call.store._get_metadata(call.resource.name, call.key)
    if metadata is None or not metadata.created_by:
        return None
    creator = call.mock._endpoint(_rows()[metadata.created_by])._select(call)
    if creator and _sets_fields(creator):  # fields of the new object, and not how the object continues
        return None
    return creator


def _generates_output(call: _Call) -> bool:
    """Return True if a model generates output for a call, or if the endpoint has nothing to do with models."""
    return call.behavior.needs_output is None or call.behavior.needs_output(call)


def _is_output(scripted: Scripted) -> bool:
    """Return True if the response is output of a model, or a list of outputs, and neither fields nor an error."""
    response = scripted._response
    return not (_sets_fields(scripted) or _is_response(response) or _is_exception(response))


def _sets_fields(scripted: Scripted) -> bool:
    """Return True if the response is a dict or a model with fields of the answer."""
    script = scripted._script or _NOT_SET
    return script.turn is None and script.resolve is None


def _needs_check(call: _Call, scripted: Scripted | None) -> bool:
    """Return True if a request is checked before it is answered.

    A response that is set for the endpoint itself needs no objects in the state, so that its request is not checked.
    Strict mode and messages over a WebSocket are always checked.
    """
    if scripted is None or call.mock._strict or call.session is not None:
        return True
    return scripted._row.path != call.row.path


async def _resolve_script(call: _Call, script: _Script, wait: _Wait) -> _Script | httpx.Response:
    """Resolve a script with its call, until nothing in the script depends on the call.

    script: a prepared response. Its `resolve` returns a script, a response, any value that `.response` accepts, or an
        awaitable of one.
    wait: waits for an awaitable.
    Returns a script without `resolve`, or a response to send as it is. The pace of the script applies to the script that
    it resolves to, unless that one has a pace of its own.
    Raises `TypeError` or `ValueError` for a value that the endpoint cannot answer with, and what `resolve` raises.
    """
    while script.resolve:
        try:
            value = script.resolve(call)
        except _SetFault:
            await _wait_within_read_timeout(call, script.pace.first_delay, wait)
            raise
        if inspect.isawaitable(value):
            value = await wait(value)
        if isinstance(value, _LazyResponse):
            if script.pace != _NO_DELAY:
                value.stream = _PacedStream(value.stream, script.pace, call.request)
            return value
        if isinstance(value, unittest.mock.NonCallableMock):
            raise TypeError(f"{call.row.name}.response returned {value!r}; give the mock a return_value")
        resolved = value if isinstance(value, _Script) else _prepare(call.row, value)
        if resolved.step_count is not None:
            raise TypeError(
                f"{call.row.name}.response returned the list {_safe_repr(value)}, but a call has one answer; for one "
                "answer after the other, set the list itself as .response; for one answer of several parts, return "
                "reply(...)"
            )
        if resolved is not _NOT_SET and resolved.pace == _NO_DELAY:
            resolved = dataclasses.replace(resolved, pace=script.pace)
        script = resolved
    return script


def _prepare(row: _Row, value: Any) -> _Script:
    """Check a value that a test sets as `.response`, and prepare it for the calls of an endpoint.

    Returns a script with the value merged into each model that the endpoint may answer with. What depends on the call,
    such as the result of a callable, is left to its `resolve`.
    Raises `TypeError` or `ValueError` for a value that the endpoint cannot answer with.
    """
    place = f"{row.name}.response"
    if value is None:
        raise TypeError(f"{place} cannot be None; use `del {place}` to go back to the default")
    if any(value is builder for builder in (*_RESPONSE_BUILDERS.values(), mock, webhook)):
        raise TypeError(f"{place} cannot be {value.__name__} itself; call it: {value.__name__}(...)")
    if inspect.isclass(value) and _is_pydantic_model(value):
        raise TypeError(f"{place} cannot be the class {value.__name__}; set an instance of it: {value.__name__}(...)")
    if isinstance(value, tuple) and all(isinstance(part, Turn) for part in value):
        raise TypeError(
            f"{place} cannot be a tuple; use a list for one answer after the other, or + for the parts of one answer"
        )
    coerced = _coerced_value(row, value)
    if callable(coerced):
        return _Script(resolve=coerced)
    if coerced is not None:
        return _Script(_merge_templates(row, coerced))
    for accepts, prepare in _PREPARERS:
        if accepts(value):
            return prepare(row, value)
    accepted_type = _accepted_scalar(row)
    scalar = f"{accepted_type}, " if accepted_type else ""
    raise TypeError(
        f"{place} cannot be {_safe_repr(value)}; it takes a dict, a model, {scalar}an httpx.Response, an exception, "
        "a callable, or a list of these"
    )


def _coerced_value(row: _Row, value: Any) -> Any:
    """Convert a value that only this endpoint accepts, such as vectors. Returns None for any other value."""
    coerce = _behavior_of(row.name).coerce
    return coerce(value) if coerce else None


def _accepted_scalar(row: _Row) -> str:
    """Return the type of text or bytes that an endpoint answers with, for error messages, or "" if it has none."""
    if row.model == "bytes":
        return "bytes"
    return "a str" if _turn_converter(row) else ""


async def _prepare_default_answer(call: _Call, wait: _Wait, is_checked: bool) -> None:
    """Do what precedes the answer to a call for which nothing is set: check the request, and run `before_answer`.

    is_checked: the request is checked already.
    Raises `AssertionError` if a model would generate the answer, and the mock allows only responses of the test.
    """
    if call.mock._only_scripted and call.behavior.is_generated and _generates_output(call):
        raise AssertionError(f"{call.row.name} was called, but nothing is set for it (only_scripted=True)")
    if not is_checked:  # the response is `...`, or a list with `...`
        with call.store.lock, _attribute_errors(call):
            _check_request(call)
    if call.behavior.before_answer:
        await call.behavior.before_answer(call, wait)


@contextlib.contextmanager
def _attribute_errors(call: _Call) -> Iterator[None]:
    """Find the cause of an exception that malformed input may have raised within the context.

    Raises the service's 400 if the request has a value of the wrong type, and `TypeError` if the test put something
    invalid into the state. If both are valid, the exception is a defect of this module, and propagates.
    """
    try:
        yield
    except _GenerationError as error:
        raise AssertionError(f"{error}: set a response, e.g. openai_mock.{call.row.name}.response = ...") from None
    except _MALFORMED_INPUT_ERRORS:
        _check_param_types(call)
        _check_state(call.store)
        raise


# ---- partials, models, texts, bytes ----------------------------------------------------------------------------------


def _prepare_model(row: _Row, value: Any) -> _Script:
    """Prepare a pydantic model: one of the SDK as the answer, any other one as JSON that the model outputs."""
    if type(value).__module__.startswith("openai."):
        fields = value.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return _prepare_partial(row, fields)
    turn = _turn_of_model(value)
    if _turn_converter(row):
        return _prepare_turn(row, turn)
    return _prepare_text(row, typing.cast(str, turn.text))


def _turn_of_model(value: Any) -> Turn:
    """Return a turn with the JSON of a pydantic model."""
    return Turn(value.model_dump_json(by_alias=True), structured=True)


# A dict for a list that has none of these fields is an item, and not a page.
_PAGE_FIELDS = {"data", "has_more", "object", "first_id", "last_id", "next"}


def _prepare_partial(row: _Row, value: Mapping[str, Any]) -> _Script:
    """Prepare a dict with some of the answer's fields, merged into each model that the endpoint may answer with."""
    place = f"{row.name}.response"
    output = value.get("output")
    has_items = isinstance(output, (list, tuple)) and _has_output_items(row)
    if has_items and any(isinstance(item, (str, Turn)) for item in output):
        return _prepare_reply(row, Reply((value,)))
    if row.model == "None" and "object" in value:  # the service sends an object where the SDK reads nothing
        return _Script({_sdk_type(row.model): _to_json(value, place)}, set_fields=value)
    if value and row.model in _BUILTIN_TYPES:
        accepted_type = _accepted_scalar(row)
        expected = f"{accepted_type} or {{}}" if accepted_type else "only {}"
        raise ValueError(f"{place} is {_safe_repr(value)}, but takes {expected}")
    if value and row.model.endswith("]") and not value.keys() & _PAGE_FIELDS:
        raise ValueError(f"{place} is {_safe_repr(value)}, but takes a page: {{'data': [...]}}")
    templates = _merge_templates(row, value) if value else {}
    return _Script(templates, value)


def _prepare_text(row: _Row, value: str) -> _Script:
    if row.model == "bytes":
        return _prepare_bytes(row, _encode_utf8(value))
    if not _turn_converter(row):
        raise TypeError(f"{row.name}.response cannot be the text {value!r}: this call does not answer with text")
    return _prepare_turn(row, Turn(value))


def _prepare_bytes(row: _Row, value: bytes) -> _Script:
    if row.model != "bytes":
        raise TypeError(f"{row.name}.response cannot be bytes: this call does not answer with a file")
    return _Script({bytes: bytes(value)})


def _prepare_turn(row: _Row, turn: Turn) -> _Script:
    """Prepare model output. Tool calls and JSON are fitted to the tools of the request when the call comes."""
    if not _turn_converter(row):
        raise TypeError(f"{row.name}.response cannot be {turn!r}: this call does not answer with model output")
    unfitted_script = _turn_script(row, turn)
    if not turn.tool_calls and not turn.structured:
        return unfitted_script

    def resolve(call: _Call) -> _Script:
        fitted_turn = _fit_turn_to_tools(turn, call)
        return unfitted_script if fitted_turn == turn else _turn_script(row, fitted_turn)

    return _Script(resolve=resolve)


def _turn_script(row: _Row, turn: Turn) -> _Script:
    """Return the script of model output. Raise `TypeError` for output that the endpoint does not have, such as citations."""
    to_partial = typing.cast(Callable[[Turn], _JSON], _turn_converter(row))
    try:
        partial = to_partial(turn)
        templates = {} if row.model == "None" else _merge_templates(row, partial)
        return _Script(templates, turn=turn)
    except TypeError as error:
        raise TypeError(f"{row.name}.response cannot be {error}") from None


def _prepare_reply(row: _Row, reply: Reply) -> _Script:
    """Prepare an answer of several parts. Tool calls and JSON are fitted to the tools of the request when the call comes."""
    output, fields = _split_parts(row, reply.parts)
    if output is None:
        return dataclasses.replace(_prepare_partial(row, fields), headers=reply.headers)
    unfitted_script = _reply_script(row, output, fields, reply.headers)
    if not any(isinstance(part, Turn) and (part.tool_calls or part.structured) for part in output):
        return unfitted_script

    def resolve(call: _Call) -> _Script:
        fitted_output = []
        for part in output:
            fitted_output.append(_fit_turn_to_tools(part, call) if isinstance(part, Turn) else part)
        return unfitted_script if fitted_output == output else _reply_script(row, fitted_output, fields, reply.headers)

    return _Script(resolve=resolve)


def _split_parts(row: _Row, parts: Sequence[Any]) -> tuple[list[Any] | None, _JSON]:
    """Return the output of a model among the parts of an answer, and the other fields of the answer.

    The output is a list of turns and items, in order, or None if no part sets output.
    """
    output: list[Any] = []
    fields: _JSON = {}
    sets_output = False
    has_model_output = _turn_converter(row) is not None  # other answers may have a `type` of their own
    for part in map(_normalized_part, parts):
        if isinstance(part, Turn) or (has_model_output and "type" in part):
            sets_output = True
            output.append(part)
            continue
        part_fields = dict(part)
        if _has_output_items(row) and isinstance(part.get("output"), (list, tuple)):
            sets_output = True
            output += map(_normalized_part, part_fields.pop("output"))
        fields = _combine_json(fields, part_fields)
    if not sets_output:
        return None, fields
    return output, fields


def _normalized_part(part: Any) -> Any:
    """Return a part of an answer as a turn or a dict. A value that is not a part stays, for the merge to reject."""
    if isinstance(part, str):
        return Turn(part)
    if not _is_pydantic_model(type(part)):
        return part
    if type(part).__module__.startswith("openai."):
        return part.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return _turn_of_model(part)


@functools.cache
def _has_output_items(row: _Row) -> bool:
    """Return True if an endpoint answers with output of a model as a list of items, as responses do."""
    to_partial = _turn_converter(row)
    return to_partial is not None and "output" in to_partial(Turn(""))


def _reply_script(
    row: _Row, output: Sequence[Turn | Mapping[str, Any]], fields: _JSON, headers: Mapping[str, str]
) -> _Script:
    """Return the script of an answer of several parts.

    output: the turns and the items, in order.
    fields: the other fields of the answer, which override those of the turns.
    Raises `TypeError` for turns or items that the endpoint cannot answer with, and `ValueError` as `_merge_templates` does.
    """
    items = [part for part in output if not isinstance(part, Turn)]
    turns = [part for part in output if isinstance(part, Turn)] or [Turn()]
    turn = functools.reduce(Turn._combine, turns)
    to_partial = _turn_converter(row)
    if to_partial is None:
        raise TypeError(
            f"{row.name}.response cannot be {_safe_repr(output[0])}: this call answers without model output"
        )
    if items and not _has_output_items(row):
        raise TypeError(
            f"{row.name}.response cannot be the item {_safe_repr(items[0])}: this call answers without items"
        )
    try:
        answer = to_partial(turn)
        if _has_output_items(row):
            answer["output"] = _items_in_order(row, output)
    except TypeError as error:
        raise TypeError(f"{row.name}.response cannot be {error}") from None
    templates = {} if row.model == "None" else _merge_templates(row, _combine_json(answer, fields))
    if items:
        return _Script(templates, {"output": answer["output"], **fields}, headers=headers)
    return _Script(templates, fields, turn, headers=headers)


def _items_in_order(row: _Row, output: Sequence[Turn | Mapping[str, Any]]) -> list[Any]:
    """Return the items of turns and items, in order. Adjacent turns share a message if their order allows it."""
    to_partial = typing.cast(Callable[[Turn], _JSON], _turn_converter(row))
    joined: list[Any] = []
    for part in output:
        if joined and isinstance(part, Turn) and isinstance(joined[-1], Turn) and joined[-1]._precedes(part):
            joined[-1] = joined[-1]._combine(part)
        else:
            joined.append(part)
    items: list[Any] = []
    for part in joined:
        items += to_partial(part)["output"] if isinstance(part, Turn) else [part]
    return items


def _combine_json(base: Any, other: Any) -> Any:
    """Return two JSON values as one. Dicts are combined by key, lists by position; of other values, the second remains."""
    if isinstance(base, Mapping) and isinstance(other, Mapping):
        combined = dict(base)
        for key, value in other.items():
            combined[key] = _combine_json(base[key], value) if key in base else value
        return combined
    if isinstance(base, list) and isinstance(other, (list, tuple)):
        combined_items = [_combine_json(item, value) for item, value in zip(base, other, strict=False)]
        return combined_items + base[len(other) :] + list(other[len(base) :])
    return other


def _merge_templates(row: _Row, value: Mapping[str, Any]) -> dict[Any, Any]:
    """Merge a partial into each model that a call may answer with.

    value: a dict with some of the fields.
    Returns the merged objects by model, without models that do not accept the partial.
    Raises the `ValueError` of the merge if no model accepts the partial, or if the models that accept it lack one of its
    fields. Raises `ValueError` if none of its keys is a field of a model.
    """
    paths = [row.model, *_behavior_of(row.name).type_paths_by_format.values()]
    models = dict.fromkeys(map(_sdk_type, paths))
    models.pop(None, None)  # stands for types that the installed SDK lacks
    templates: dict[Any, Any] = {}
    errors = []
    for model in models:
        try:
            if model is str:
                templates[model] = value.get("text", _DEFAULT_TEXT)
            else:
                templates[model] = _merge(model, value, f"{row.name}.response")
        except ValueError as error:
            errors.append(error)
    template_keys = _keys_of_models(templates, value)
    if errors:
        if not templates.keys() - {str}:
            raise errors[0]
        rejected_keys = _keys_of_models(models, value) - template_keys
        if value.keys() & rejected_keys:
            raise errors[0]
    if value and template_keys and not value.keys() & template_keys:
        _reject_foreign_fields(row, value, next(iter(templates)))
    return templates


def _keys_of_models(models: Iterable[Any], value: Mapping[str, Any]) -> set[str]:
    """Return the names of all fields of some models. Of a union, the member that `value` belongs to is the model."""
    keys: set[str] = set()
    for model in models:
        member = _select_model(model, value)
        if _is_pydantic_model(member):
            keys.update(_fields_of(member), _default_value(member), _wire_names_of(member))
    return keys


def _reject_foreign_fields(row: _Row, value: Mapping[str, Any], model: Any) -> typing.NoReturn:
    """Raise the `ValueError` of a dict without a field of the answer, with hints on what to set instead."""
    member = _select_model(model, value)
    field_paths = [_find_field_path(member, key) for key in value]
    hint = ""
    if all(field_paths):
        hint += f"; set {', '.join(field_paths)} instead"
    elif _turn_converter(row):
        hint += "; to make the model output it as JSON, set as_json(...)"
    raise ValueError(
        f"{row.name}.response is {_safe_repr(value)}, but {_model_name(member)} has none of these fields{hint}"
    )


# ---- exceptions ------------------------------------------------------------------------------------------------------


def _prepare_exception(row: _Row, value: Any) -> _Script:
    """Prepare an exception, or a class of exceptions, that is raised as a network fault.

    An exception of the SDK that has a response is prepared as that response.
    """
    if _is_response(getattr(value, "response", None)):
        return _prepare_response(row, value.response)
    exception_class = value if inspect.isclass(value) else type(value)
    if not issubclass(exception_class, Exception):
        raise TypeError(f"{row.name}.response cannot be {value!r}: it would end the test run; set a network exception")
    if issubclass(exception_class, _ENDS_OF_ITERATORS):
        raise TypeError(f"{row.name}.response cannot be {value!r}: a coroutine can't raise it; set a network exception")
    if inspect.isclass(value):
        status = getattr(value, "status_code", None)
        if status:
            raise TypeError(
                f"{row.name}.response cannot be the class {value.__name__}: use openai_responses.error({status})"
            )
        _check_exception_class(row, value)

    def resolve(call: _Call) -> Any:
        raise _SetFault(_native_error(value, call.request))

    return _Script(resolve=resolve)


def _check_exception_class(row: _Row, cls: type[Exception]) -> None:
    """Raise `TypeError` for a class of exceptions that needs arguments. Those of network faults get theirs later."""
    module = _package(cls.__module__)
    if module.startswith("httpx") or (module == "openai" and cls.__name__ in _SDK_EXCEPTION_FAULTS):
        return
    try:
        cls()
    except TypeError as error:
        message = (
            f"{row.name}.response cannot be the class {cls.__name__}, which needs arguments; set an instance of it"
        )
        raise TypeError(f"{message}: {error}") from None


def _is_exception(value: Any) -> bool:
    """Return True for exceptions and for classes of exceptions."""
    return issubclass(value if inspect.isclass(value) else type(value), BaseException)


class _SetFault(Exception):
    """Wraps an exception that a test set as its response, so that it is not handled as a mistake of the test."""

    def __init__(self, fault: BaseException) -> None:
        super().__init__(str(fault))
        self.fault = fault


# ---- complete responses ----------------------------------------------------------------------------------------------


def _is_response(value: Any) -> bool:
    return isinstance(value, tuple(http_lib.Response for http_lib in _http_libs()))


def _http_libs() -> list[Any]:
    """Return httpx, and httpx2 if it is imported."""
    return [httpx, *filter(None, [sys.modules.get("httpx2")])]


def _prepare_response(row: _Row, value: Any) -> _Script:
    """Prepare a complete response of httpx or httpx2. Each call gets a new response with the same content."""
    content = getattr(value, "_content", None)
    source = value.stream
    source = getattr(source, "_stream", source)  # the wrapper that httpx puts around an iterable is read only once
    extensions = {name: item for name, item in value.extensions.items() if name in ("http_version", "reason_phrase")}
    headers = value.headers.raw
    if content is not None:  # httpx has decoded the content, so its encoding and length differ
        headers = [pair for pair in headers if pair[0].lower() not in (b"content-encoding", b"content-length")]
        headers.append((b"content-length", b"%d" % len(content)))

    read_count = itertools.count()

    def resolve(call: _Call) -> _LazyResponse:
        if isinstance(source, (Iterator, AsyncIterator)) and next(read_count):
            raise TypeError(
                f"{row.name}.response has an iterator as content that an earlier call has read; use bytes or a list"
            )
        body = _TimedSource(source, call.request) if content is None else httpx.ByteStream(content)
        default_headers = []
        for name, header in _response_headers(call, ""):
            if header and name.decode() not in value.headers:
                default_headers.append((name, header))
        if content is not None and value.status_code < 300:
            _store_http_response(call, content)
        return _LazyResponse(
            value.status_code, headers=[*headers, *default_headers], extensions=extensions, stream=body
        )

    return _Script(resolve=resolve)


def _store_http_response(call: _Call, content: bytes) -> None:
    """Store the object in a complete response to a create, as if the test had set it as a dict.

    content: the body of the response. Anything but an object of the API with an ID is not stored.
    """
    try:
        obj = json.loads(content)
        if call.shape.verb != "create" or not isinstance(obj, dict) or "id" not in obj:
            return
        script = _Script(_merge_templates(call.row, obj), obj)
    except ValueError:  # neither JSON nor an object of this API
        return
    with call.store.lock:
        _store_answer(call, _compose(call, script), script)


# ---- callables and lists ---------------------------------------------------------------------------------------------


# The arguments that a callable may take by name, in addition to the parameters of the path.
_CALLABLE_PARAMS = ("body", "conversation", "tools", "route", "state_store")


def _prepare_callable(row: _Row, value: Callable[..., Any]) -> _Script:
    """Prepare a callable, which is called with the request, and by name with those arguments that it takes."""
    try:
        parameters = inspect.signature(value).parameters
    except ValueError:  # a class of Python's own, such as `dict`
        raise TypeError(
            f"{row.name}.response cannot be {value!r}, whose parameters are unknown; set a function"
        ) from None
    first_parameter = next(iter(parameters.values()), None)
    if (
        first_parameter is None
        or first_parameter.name in _CALLABLE_PARAMS
        or first_parameter.kind in (first_parameter.KEYWORD_ONLY, first_parameter.VAR_KEYWORD)
    ):
        raise TypeError(
            f"{row.name}.response: {value!r} must take the request as its first parameter; "
            f"it may also take {', '.join(_CALLABLE_PARAMS)} by name"
        )
    _check_callable_params(row, value, list(parameters.values())[1:])

    def resolve(call: _Call) -> Any:
        arguments = {
            "body": _copy_json(call.body),
            "tools": _copy_json(call.body.get("tools") or []),
            "state_store": call.store,
            "route": call.mock._endpoint(row).route,
            **call.params,
        }
        if "conversation" in parameters:
            with call.store.lock:
                arguments["conversation"] = _conversation_of(call)
        try:
            with _enforce_read_timeout(call.request):
                result = value(call.request, **_select_arguments(value, arguments))
        except Exception as error:
            return _exception_of_callable(error, row)
        return _await_callable(result, call.request, row) if inspect.isawaitable(result) else result

    return _Script(resolve=resolve)


def _check_callable_params(row: _Row, function: Callable[..., Any], params: Sequence[inspect.Parameter]) -> None:
    """Raise `TypeError` if a function requires an argument that it is not called with.

    params: the parameters after the request.
    """
    accepted_names = (*_CALLABLE_PARAMS, *_path_params(row.path))
    for param in params:
        is_optional = param.default is not param.empty or param.kind in (param.VAR_POSITIONAL, param.VAR_KEYWORD)
        if not is_optional and param.name not in accepted_names:
            raise TypeError(
                f"{row.name}.response: {function!r} has the parameter {param.name!r}."
                f"{_did_you_mean(param.name, accepted_names)} "
                f"After the request it may take {', '.join(accepted_names)} by name"
            )


async def _await_callable(awaitable: Any, request: httpx.Request, row: _Row) -> Any:
    """Return the result of an asynchronous callable, or an exception that it raised as a response."""
    try:
        return await _await_within_read_timeout(awaitable, request)
    except Exception as error:
        return _exception_of_callable(error, row)


# Exceptions that a bug raises. A callable that raises another one, such as `RuntimeError("down")`, sets it as its response.
_BUG_TYPES = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, TypeError)


def _exception_of_callable(error: Exception, row: _Row) -> Exception:
    """Return an exception of a callable, to use it as the response. Raise it if it is a bug, or an error of the service.

    Raise `AssertionError` if an iterator that the callable reads has no more items.
    """
    if _is_end_of_iterator(error):
        raise _end_of_iterator_error(f"{row.name}.response") from error
    if isinstance(error, (*_BUG_TYPES, _ServiceError)):
        raise error
    return error


_ENDS_OF_ITERATORS = (StopIteration, StopAsyncIteration)


def _is_end_of_iterator(error: BaseException) -> bool:
    """Return True if an iterator had no more items.

    In a generator or a coroutine, Python raises a `RuntimeError` instead. It is recognized by its message, because RESPX
    replaces its cause.
    """
    if isinstance(error, RuntimeError):
        return re.fullmatch(r"[a-z ]+ raised Stop(Async)?Iteration", str(error)) is not None
    return isinstance(error, _ENDS_OF_ITERATORS)


def _end_of_iterator_error(place: str) -> AssertionError:
    """Return the error of a response, at `place`, that reads an iterator to its end. A coroutine can't raise its own one."""
    return AssertionError(
        f"{place} reads an iterator that has no more items; add an item, or find the code that makes the extra call"
    )


def _conversation_of(call: _Call) -> list[_JSON]:
    """Return everything that the model sees, as messages or items, oldest first.

    For an endpoint without messages, that is one message with the input or the prompt of the request.
    """
    if call.behavior.get_messages:
        return call.behavior.get_messages(call)
    return [{"role": "user", "content": call.body.get("input") or call.body.get("prompt") or ""}]


def _select_arguments(function: Callable[..., Any], arguments: Mapping[str, Any]) -> _JSON:
    """Return those arguments that a function has parameters for."""
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(arguments)
    return {name: argument for name, argument in arguments.items() if name in parameters}


def _prepare_steps(row: _Row, value: Sequence[Any]) -> _Script:
    """Prepare a list: one answer for each HTTP attempt, in order."""
    steps = iter([_prepare_step(row, number, step) for number, step in enumerate(value)])
    return _Script(resolve=lambda call: next(steps), step_count=len(value))  # `_next_script` raises at the end


def _prepare_step(row: _Row, number: int, step: Any) -> _Script:
    if _is_list_or_tuple(step) and _coerced_value(row, step) is None:
        raise TypeError(
            f"{row.name}.response[{number}] is the list {_safe_repr(step)}; a step is one answer: "
            "join the calls of one answer with +, tool_call(...) + tool_call(...)"
        )
    try:
        return _prepare(row, step)
    except (TypeError, ValueError) as error:
        raise type(error)(f"step {number}: {error}") from None


def _is_list_or_tuple(value: Any) -> bool:
    return isinstance(value, (list, tuple))


# ---- streams event by event ------------------------------------------------------------------------------------------


def _prepare_streamed(row: _Row, value: Streamed) -> _Script:
    """Prepare the answer or the events in a `Streamed`, with its pace."""
    if isinstance(value.pace.fault, int) and row.method != "WS":
        raise ValueError(
            f"{row.name}.response: streamed(..., fault={value.pace.fault}) closes a WebSocket, "
            "but this call does not use one"
        )
    if _is_list_or_tuple(value.value) or _is_stream(value.value):
        return _prepare_events(row, value.value, value.pace)
    return dataclasses.replace(_prepare(row, value.value), pace=value.pace)


def _is_stream(value: Any) -> bool:
    """Return True for an iterator of events or a generator function, synchronous or asynchronous."""
    is_function = inspect.isgeneratorfunction(value) or inspect.isasyncgenfunction(value)
    is_iterator = isinstance(value, (Iterator, AsyncIterator, EventStream))
    return is_function or (is_iterator and not isinstance(value, unittest.mock.NonCallableMock))


def _prepare_events(row: _Row, value: Any, pace: Pace = _NO_DELAY) -> _Script:
    """Prepare a stream of events. A list or a function starts again for each call; an iterator serves one call."""
    if isinstance(value, EventStream):
        return _prepare_response(row, httpx.Response(200, content=value, headers={"content-type": "text/event-stream"}))
    read_count = itertools.count()

    def resolve(call: _Call) -> httpx.Response:
        place = f"{row.name}.response"
        if call.behavior.events and not call.wants_stream and row.model != "bytes":
            raise TypeError(f"{place} is a stream of events, but the request does not have stream=True")
        if isinstance(value, (Iterator, AsyncIterator)) and next(read_count):
            raise TypeError(f"{place} is an iterator that an earlier call has read; set a list or a function")
        events = value
        if callable(value):
            arguments = [call.request] if inspect.signature(value).parameters else []
            events = value(*arguments)
        return _stream_response(call, _TimedSource(events, call.request), pace)

    return _Script(resolve=resolve)


# For each kind of value that `.response` accepts: a condition, and the function that prepares the value. The first row
# whose condition is true applies.
_PREPARERS: Sequence[tuple[Callable[[Any], bool], Callable[[_Row, Any], _Script]]] = (
    (lambda value: value is ..., lambda row, value: _NOT_SET),  # as if nothing were set
    (lambda value: isinstance(value, Mapping), _prepare_partial),
    (lambda value: isinstance(value, str), _prepare_text),
    (lambda value: isinstance(value, (bytes, bytearray)), _prepare_bytes),
    (_is_response, _prepare_response),
    (lambda value: isinstance(value, Turn), _prepare_turn),
    (lambda value: isinstance(value, Reply), _prepare_reply),
    (lambda value: isinstance(value, Streamed), _prepare_streamed),
    (_is_stream, _prepare_events),
    (_is_exception, _prepare_exception),
    (lambda value: _is_pydantic_model(type(value)), _prepare_model),
    (_is_list_or_tuple, _prepare_steps),
    (callable, _prepare_callable),
)


# ======================================================================================================================
# INTERCEPTION: requests taken before they reach the network
# ======================================================================================================================


# ---- hosts and base URLs ---------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=256)
def _strip_base(url: str, bases: tuple[str, ...]) -> tuple[str, str | None] | None:
    """Split a URL after the first base that matches. Return the rest, and the Azure deployment in the URL if any.

    Return `None` instead of the pair if no base matches.
    """
    for base in bases:
        match = re.match(_base_pattern(base), url)
        if match:
            deployment = match["deployment"]
            if deployment:
                deployment = unquote(deployment)
            return url[match.end() :], deployment
    return None


_AZURE_RESOURCE = (
    r"https://[\w.-]+\.(?:openai\.azure\.(?:com|us|cn)|azure\.openai\.com"
    r"|(?:cognitiveservices|services\.ai)\.azure\.(?:com|us|cn))"
)


_AZURE_GATEWAY = r"https://[\w.-]+\.azure-api\.(?:net|us|cn)"
_AZURE_BASE = f"(?:{_AZURE_RESOURCE}|{_AZURE_GATEWAY})/"


# The domains of AWS. Each line has one partition: the domain of its IPv4 hosts, and that of its dual-stack hosts.
_AWS_DOMAINS = (
    r"(?:amazonaws\.com|api\.aws"
    r"|amazonaws\.com\.cn|api\.amazonwebservices\.com\.cn"
    r"|amazonaws\.eu|api\.amazonwebservices\.eu"
    r"|c2s\.ic\.gov|api\.aws\.ic\.gov"
    r"|sc2s\.sgov\.gov|api\.aws\.scloud"
    r"|cloud\.adc-e\.uk|api\.cloud-aws\.adc-e\.uk"
    r"|csp\.hci\.ic\.gov|api\.aws\.hci\.ic\.gov)"
)


_PUBLIC_BASE = "https://api.openai.com/v1"


# The base URLs of the SDK's other clients: the form that error messages show, and the regular expression. The public
# URL is not a row, because it is tried first, on its own. `_base_pattern` adds the forms of Azure's paths to each row.
_SDK_BASES = {
    # the regions of `data_residency=`, and the hosts that require a client certificate
    "https://*.api.openai.com/v1": r"https://(?:[a-z]{2}|mtls(?:-[a-z]{2})?)\.api\.openai\.com/v1",
    # the hosts of a resource, in each of Azure's clouds, and of a project in Foundry
    "https://*.openai.azure.com": _AZURE_RESOURCE + r"(?:/api/projects/[^/]+|/v1)?",
    # a gateway of API Management serves other APIs too, so the path must contain `/openai/`
    "https://*.azure-api.net/openai": _AZURE_GATEWAY + r"(?:/[^/?]+)*?(?=/openai/)",
    "https://bedrock-mantle.*.api.aws/openai/v1": r"https://bedrock-mantle\.[a-z\d-]+\.api\.aws(?:/openai)?/v1",
    "https://bedrock-runtime.*.amazonaws.com/openai/v1": (
        r"https://bedrock-runtime(?:-fips)?\.[a-z\d-]+\." + _AWS_DOMAINS + "/openai/v1"
    ),
    "https://*aiplatform.googleapis.com/v1/.../publishers/openai/v1": (
        r"https://(?:[a-z\d-]+-)?aiplatform\.googleapis\.com/v1/projects/[^/]+/locations/[^/]+/publishers/openai/v1"
    ),
}


# `/openai/v1/...` and `/openai/deployments/{model}/...`. They are accepted below a test's own base URL too, because it
# may belong to a gateway to Azure.
_AZURE_PATH = r"(?:/openai(?:/v1)?)?(?:/deployments/(?P<deployment>[^/]+))?"


@functools.lru_cache(maxsize=64)
def _base_pattern(*bases: str) -> str:
    """Return a regular expression that matches any of the base URLs, with the forms of Azure's paths below it."""
    roots = "|".join(_SDK_BASES.get(base) or re.escape(base) for base in bases)
    return f"(?:{roots}){_AZURE_PATH}(?=/|$)"


def _split_base(method: str, url: str, beta: bool = False) -> tuple[str, str] | None:
    """Split a URL of any host into a base URL and the path of an endpoint, which is the longest path possible.

    Return `None` if the URL does not end with the path of an endpoint.
    """
    start = url.find("/", url.find("//") + 2)
    while start >= 0:
        if _find_row(method, url[start:], beta):
            return url[:start], url[start:]
        start = url.find("/", start + 1)
    return None


# ---- the router ------------------------------------------------------------------------------------------------------


class Router(respx.MockRouter):
    """The RESPX router of a mock. Add routes for requests to other hosts, or to answer some calls of the API yourself.

        openai_mock.router.get("https://example.com/health").respond(json={"status": "ok"})

    A request that matches none of its routes is answered as a call of the API.
    """

    def __init__(self, mock: OpenAIMock, **settings: Any) -> None:
        super().__init__(**{"assert_all_called": False, "using": _Interceptor.name, **settings})
        self._mock = mock
        self._entry_count = 0
        self._earlier_routers: list[Any] = []  # the routers of RESPX's own mockers that were active before this one

    def __call__(self, func: Any = None, **settings: Any) -> Any:
        """Decorate a function or, without one, return a router of the same mock with other settings, as RESPX does."""
        if not func:
            return Router(self._mock, **settings)
        _reject_generator_function(func)
        return super().__call__(func)

    def start(self) -> None:
        """Answer requests until `stop()`. The router becomes the innermost one.

        A router can be started several times. It is active until `stop` was called as often.
        """
        with _Interceptor.lock:
            if self._entry_count:
                self.Mocker.register(self)
            else:
                self._mock._read_environment()
                self._earlier_routers = _other_mockers_routers()
                super().start()
            self._entry_count += 1  # last, because a start that raises doesn't count

    def stop(self, clear: bool = False, reset: bool = False, quiet: bool = False) -> None:
        """Stop answering requests.

        clear: remove the routes that were added since `start`.
        reset: forget the calls of the routes. By default routes and calls are kept, so that a test can check them.
        quiet: don't check that all responses and routes were used, nor for mistakes, because the test has failed already.
        Raises `AssertionError` if the application caught a mistake in the test, or if that check fails.
        """
        with _Interceptor.lock:
            if self._entry_count > 1:
                self._entry_count -= 1
                self.Mocker.unregister(self)
                return
        try:
            # openai-agents would send the traces that it still holds after the mock has stopped, to the network
            flush_traces = getattr(sys.modules.get("agents"), "flush_traces", None)
            if flush_traces:
                flush_traces()
        finally:
            with _Interceptor.lock:
                self._entry_count = 0
                super().stop(clear=clear, reset=reset, quiet=quiet)
        if quiet:
            if not _pytest_session_count:  # else pytest's hook decides, because the test may expect the exception
                _take_unreported_mistakes([self._mock])
            return
        self._mock._check_mistakes()
        if self._mock._asserts_all_used:
            self._mock.assert_all_used()

    def handler(self, request: Any) -> httpx.Response:
        """Return the response to a request of a synchronous client, and log the request.

        The first route of this router that matches answers. If none matches, the mock answers a call of the API. An
        error of the service is a response too.

        request: a request of httpx or httpx2, whose body has been read.
        Returns a response of httpx, whose body has not been read.
        Raises `RequestNotMocked` if the request is not a call of the API, `PassThrough` of RESPX if a route passes it
        through, the network fault that a test set, or the exception of a mistake in the test. The mistake is wrapped in
        a `MockError` if the client would otherwise retry the request.
        """
        # A request that is not a call of the API is logged here too, unless it comes from `_dispatch`. Then another router
        # may know the request, and `_dispatch` logs it after the last router.
        return _run_without_waiting(self._handle(request, super().handler, _wait_in_thread))

    async def async_handler(self, request: Any) -> httpx.Response:
        """Return the response to a request of an asynchronous client. Everything else is as in `handler`."""
        return await self._handle(request, super().async_handler, _await_if_needed)

    async def _handle(self, request: Any, handle_own_routes: Callable[[Any], Any], wait: _Wait) -> httpx.Response:
        """Return the response of a route or of the mock, or raise the exception that the client should get.

        handle_own_routes: the method of RESPX that answers with the routes of this router.
        wait: waits for an awaitable, in a thread or in the client's event loop.
        """
        request = _httpx_request(request)
        try:
            if self.routes:
                with contextlib.suppress(AllMockedAssertionError):
                    response = await _await_route(handle_own_routes, request)
                    self._log_response(request, response)
                    return self._watch(request, response)
            return self._watch(request, await self._exchange(request, wait))
        except Exception as error:
            is_unmatched = isinstance(error, AllMockedAssertionError) and hasattr(request, "intercepted")
            if (
                _is_unexplained(error) and not is_unmatched
            ):  # `_dispatch` tries the other routers before that is a mistake
                self._add_mistake(request, error)
            client_exception = _to_client_exception(error, request)
            raise client_exception from client_exception.__cause__

    def _watch(self, request: httpx.Request, response: httpx.Response) -> httpx.Response:
        """Have the mistakes that are found while a response is read added to those of the mock. Returns the response."""
        if not isinstance(response.stream, httpx.ByteStream):
            response.stream = _WatchedStream(response.stream, functools.partial(self._add_mistake, request))
        return response

    def _add_mistake(self, request: httpx.Request, error: Exception) -> None:
        self._mock._add_mistake(error, f"{request.method} {request.url.path}")

    def _log_response(self, request: httpx.Request, response: httpx.Response) -> None:
        """Add a request that a route answered to the request log, if it is a call of the API."""
        with contextlib.suppress(RequestNotMocked):
            if call := self._mock._to_call(request):
                self._record(request, call).response = response

    async def _exchange(self, request: httpx.Request, wait: _Wait) -> httpx.Response:
        """Return the response to a call of the API. The request is recorded even if an exception is raised."""
        try:
            call = self._mock._to_call(request)
        except RequestNotMocked:
            if not hasattr(request, "intercepted"):  # `_dispatch` tries the other routers first
                self._record(request)
            raise
        if call is None:
            return _answer_unlogged(request)
        record = self._record(request, call)
        started = time.perf_counter()
        try:
            response = await _answer_from_route(call, wait)
            if response is None:
                response = await _answer(call, wait, record)
                await _wait_for_first_byte(call, response, wait)
            record.response = response
        except Exception as error:
            record._raised = type(getattr(error, "fault", error)).__name__
            raise
        finally:
            record.duration = time.perf_counter() - started
            self.record(request, response=record.response, route=self._mock._endpoint(call.row).route)
        return record.response

    def _record(self, request: httpx.Request, call: _Call | None = None) -> Record:
        """Add a request to the request log, and return its record.

        A request that is not a call of the API is added to RESPX's `calls` too. `_exchange` does this for the others.
        """
        if call is None:
            self.record(request, response=None)
            record = Record("", {}, request)
        else:
            record = Record(call.row.name, call.params, request, call.deployment)
        self._mock._request_log.append(record)
        if self._mock._parent_mock is not None:
            self._mock._parent_mock._request_log.append(record)
        return record


# The SDK posts the token of a workload to these URLs, and gets one for the API. The second URL requires a client
# certificate.
_TOKEN_URLS = ("https://auth.openai.com/oauth/token", "https://mtls.auth.openai.com/oauth/token")
_TOKEN_RESPONSE = {
    "access_token": "mock-access-token",
    "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
    "token_type": "Bearer",
    "expires_in": 3600,
}


def _answer_unlogged(request: httpx.Request) -> httpx.Response:
    """Return the response to a request that is not in the request log: for a token, or with traces."""
    if _httpx_request(request).raw_url.startswith(_TOKEN_URLS):
        return httpx.Response(200, json=_TOKEN_RESPONSE)
    return httpx.Response(204)


def _run_without_waiting(coroutine: Any) -> Any:
    """Return the result of a coroutine that never waits, without an event loop. Raises `RuntimeError` if it waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("the exchange with a synchronous client must not wait in a coroutine")


async def _wait_in_thread(awaitable: Any) -> Any:
    """Return the result of an awaitable, for a synchronous client. It runs in an event loop of another thread."""
    return _run_in_thread(asyncio.run, _await_if_needed(awaitable))


async def _await_if_needed(value: Any) -> Any:
    """Return the result of an awaitable, or any other value as it is."""
    return await value if inspect.isawaitable(value) else value


# True if the last exchange of this context ended in a network fault that a test caused.
_ended_in_fault = contextvars.ContextVar("_ended_in_fault", default=False)


async def _await_route(handle_own_routes: Callable[[Any], Any], request: httpx.Request) -> httpx.Response:
    """Return the response of RESPX's handler. An exception that a side effect raises on purpose is a `_SetFault`."""
    try:
        with _enforce_read_timeout(request):
            result = handle_own_routes(request)
        if inspect.isawaitable(result):
            result = await _await_within_read_timeout(result, request)
        return result
    except Exception as error:
        if isinstance(error.__cause__, SideEffectError):
            error = error.__cause__
        raise _exception_of_side_effect(error) from None


def _exception_of_side_effect(raised: Exception) -> Exception:
    """Return the exception to raise for one of a route's side effect, or of RESPX itself.

    raised: what RESPX raised. The `origin` of a `SideEffectError` is the exception of the side effect. If the error has
        a `__cause__`, a function raised that exception, and the types in `_BUG_TYPES` are bugs. Otherwise the test set
        the exception itself, and any type is meant.
    Returns a `_SetFault` of an exception that is meant. A bug, a network error, a pass-through and an exception of RESPX
    are returned as they are. An iterator without more items, whether it is the side effect or a function reads it,
    becomes an `AssertionError`.
    """
    error = raised
    if isinstance(raised, SideEffectError):
        error = raised.origin
    if _is_end_of_iterator(error):
        return _end_of_iterator_error("the side effect of the route")
    if not isinstance(raised, SideEffectError):
        return raised
    is_bug = raised.__cause__ is not None and isinstance(error, _BUG_TYPES)
    if is_bug or not _is_unexplained(error):
        return error
    return _SetFault(error)


def _is_unexplained(error: BaseException) -> bool:
    """Return True if an exception was neither set by the test nor caused by the network or a pass-through.

    Where such an exception ends an exchange, it is a mistake in the test.
    """
    network_errors = tuple(http_lib.RequestError for http_lib in _http_libs())
    return not isinstance(error, (_SetFault, PassThrough, *network_errors))


def _to_client_exception(error: Exception, request: httpx.Request) -> BaseException:
    """Return the exception that the client should get for one that was raised while a request was answered.

    A fault that a test set, a network error, a pass-through and a mistake in a test are returned as they are. There is
    one exception: the SDK before 3.15 treats every `Exception` as a network error and retries the request. A mistake is
    therefore wrapped in a `MockError`, which is a `BaseException`. `_patch_sdk_request` unwraps it.
    """
    if isinstance(error, PassThrough):
        return error
    if not _is_unexplained(error):
        _ended_in_fault.set(True)
        return error.fault if isinstance(error, _SetFault) else error
    if "x-stainless-package-version" not in request.headers or not _sdk_retries_all_exceptions():
        return error
    mock_error = MockError(f"{type(error).__name__}: {error}")
    mock_error.__cause__ = error
    return mock_error


def _sdk_retries_all_exceptions() -> bool:
    """Return True if the SDK retries a request after any `Exception`. From 3.15 it retries only network errors."""
    return not hasattr(sys.modules.get("openai._base_client"), "request_exceptions")


async def _answer_from_route(call: _Call, wait: _Wait) -> httpx.Response | None:
    """Return the response of a mock that a test put on the endpoint's `route`, or `None` if there is none.

    Return `None` too if a side effect declines the request by returning `None`. Raises `PassThrough` if the route
    passes the request through, and the exception of a side effect.
    """
    route = call.mock._endpoint(call.row).__dict__.get("route")  # `Endpoint.route` would create one
    if not route or not (route.is_pass_through or route.side_effect or route.return_value):
        return None
    if route.is_pass_through:
        raise PassThrough(f"passed through: {call.request!r}", request=call.request, origin=route)
    params: _JSON = {}
    if inspect.isroutine(route.side_effect):
        params = _select_arguments(route.side_effect, call.params)
    try:
        with _enforce_read_timeout(call.request):
            result = route.resolve(call.request, **params)
        if inspect.isawaitable(result):
            result = await _await_side_effect(route, wait(_await_within_read_timeout(result, call.request)))
    except Exception as error:
        raise _exception_of_side_effect(error) from None
    return result


async def _await_side_effect(route: respx.Route, result: Awaitable[Any]) -> Any:
    """Return the result of a coroutine function, whose exceptions are wrapped as RESPX wraps those of functions."""
    try:
        return await result
    except Exception as error:
        raise SideEffectError(route, origin=error) from error


def _routers_for(lib: str) -> Iterator[Any]:
    """Yield the routers that may answer a request of an HTTP library, innermost first.

    `None` stands for the network function of the library. If RESPX's own mockers are active, they have patched that
    function or one below it, so calling it lets their routers answer.
    """
    other_routers = _other_mockers_routers(lib)
    for router in _active_routers():
        if any(other_router not in router._earlier_routers for other_router in other_routers):
            yield None  # another mocker started after this router, and is further inside
            other_routers = []
        yield router
    if other_routers:
        yield None


def _other_mockers_routers(lib: str = "") -> list[Any]:
    """Return the active routers of RESPX's own mockers.

    lib: an HTTP library. Only mockers that patch its connection pool count. "" for all mockers.
    """
    prefix = f"{lib.replace('httpx', 'httpcore')}."
    routers = []
    for mocker in Mocker.registry.values():
        if mocker is _Interceptor or not mocker.routers:
            continue
        if not lib or any(target.startswith(prefix) for target in mocker.targets):
            routers += mocker.routers
    return routers


def _active_routers(url: str = "") -> list[Any]:
    """Return the active routers, innermost first. With a URL, return those whose mock has a base URL above it."""
    innermost_first = list(dict.fromkeys(reversed(_Interceptor.routers)))  # a router that is started twice counts once
    if not url:
        return innermost_first
    path = url.partition("?")[0]
    return [router for router in innermost_first if _strip_base(path, router._mock._bases)]


# ---- patches of the SDK ----------------------------------------------------------------------------------------------


def _patch_retry_timeout(method: Any) -> Any:
    """Patch `BaseClient._calculate_retry_timeout` of the SDK, which returns the seconds to wait before a retry.

    Why: after a network fault that a test set, or a late answer, the SDK should retry at once, so that the test doesn't
    wait.
    Removed when the last router stops.
    """

    @functools.wraps(method)
    def _calculate_retry_timeout(client: Any, remaining_retries: int, options: Any, headers: Any = None) -> float:
        faulted = _ended_in_fault.get() and headers is None  # only a response has headers
        _ended_in_fault.set(False)
        return 0.0 if faulted else method(client, remaining_retries, options, headers)

    return _calculate_retry_timeout


def _patch_sdk_request(send: Any) -> Any:
    """Patch `request` of the SDK's clients to raise the mistake in a test that a `MockError` wraps.

    Why: a `MockError` passes through the SDK because it is a `BaseException`; see `_to_client_exception`. The
    application must get the mistake itself. A `BaseException` would also stop an event loop.
    Removed when the last router stops. A release of the SDK that doesn't need the patch keeps its own method.
    """
    if not _sdk_retries_all_exceptions():
        return send

    @functools.wraps(send)
    def request(*args: Any, **settings: Any) -> Any:
        with _unwrap_mock_errors():
            return send(*args, **settings)

    @functools.wraps(send)
    async def request_async(*args: Any, **settings: Any) -> Any:
        with _unwrap_mock_errors():
            return await send(*args, **settings)

    return request_async if inspect.iscoroutinefunction(send) else request


@contextlib.contextmanager
def _unwrap_mock_errors() -> Iterator[None]:
    """Raise the cause of a `MockError` instead of the `MockError`."""
    try:
        yield
    except MockError as mock_error:
        cause = mock_error.__cause__ or mock_error
        raise cause from cause.__cause__


# ---- httpx and httpx2 ------------------------------------------------------------------------------------------------


def _httpx_request(request: Any) -> _LazyRequest:
    """Convert a request of httpx or httpx2, unless it is converted already."""
    return request if isinstance(request, _LazyRequest) else _LazyRequest(request)


class _LazyRequest(httpx.Request):
    """A request of httpx or httpx2 as one of httpx. Its URL, headers and stream are built when they are first read.

    raw_url: the URL as text.
    raw_headers: the headers as pairs of bytes.
    http_lib: the module of the original request, httpx or httpx2.
    """

    def __init__(self, original: Any) -> None:
        self.method = original.method
        self.extensions = original.extensions
        self._content = original.content
        self.raw_url = str(original.url)
        self.http_lib = httpx if isinstance(original, httpx.Request) else sys.modules["httpx2"]
        self.raw_headers = _interned_headers(tuple(original.headers.raw))

    @functools.cached_property
    def url(self) -> httpx.URL:  # type: ignore[override]
        return httpx.URL(self.raw_url)

    @functools.cached_property
    def headers(self) -> httpx.Headers:  # type: ignore[override]
        return httpx.Headers(list(self.raw_headers))

    @functools.cached_property
    def stream(self) -> httpx.ByteStream:  # type: ignore[override]
        return httpx.ByteStream(self._content)


@functools.lru_cache(maxsize=64)
def _interned_headers(headers: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[bytes, bytes], ...]:
    """Return the same tuple for equal headers. A client nearly always sends the same, so this saves memory."""
    return headers


# For each network exception of the SDK, the exception of httpx for which the SDK raises it.
_SDK_EXCEPTION_FAULTS = {
    "APITimeoutError": "ReadTimeout",
    "APIConnectionError": "ConnectError",
    "_MockTimeout": "ReadTimeout",
}


def _native_error(fault: Any, request: httpx.Request) -> BaseException:
    """Convert a network fault to the exception of the same name in the client's HTTP library.

    fault: an exception or an exception class of httpx, httpx2 or the SDK. Any other exception is returned as it is, and
    an instance of any other class.
    """
    fault_type = fault if inspect.isclass(fault) else type(fault)
    name = fault_type.__name__
    if fault_type.__module__.startswith("openai"):
        name = _SDK_EXCEPTION_FAULTS.get(name, name)
    elif not fault_type.__module__.startswith("httpx"):
        return fault() if inspect.isclass(fault) else fault
    message = f"mocked {name}" if inspect.isclass(fault) else str(fault)
    native_type = getattr(getattr(request, "http_lib", httpx), name, None)
    return native_type(message, request=request) if native_type else fault


def _native_response(response: httpx.Response, request: Any) -> Any:
    """Convert a response to one of the HTTP library of its request. Its body isn't read yet."""
    http_lib = sys.modules[_package(type(request).__module__)]
    body = _native_stream_class(http_lib)(response.stream)  # closes the stream of the response too
    # a `_LazyResponse` has no `headers` until somebody reads them; its raw ones save the time to parse them
    headers = response.headers.raw if "headers" in vars(response) else response.raw_headers
    return http_lib.Response(response.status_code, headers=headers, stream=body, extensions=response.extensions)


@functools.cache
def _native_stream_class(http_lib: types.ModuleType) -> Callable[[Any], Any]:
    """Return the class of a response's body in httpx or httpx2, which wraps any stream."""
    return type("Stream", (_SyncAsyncStream, http_lib.SyncByteStream, http_lib.AsyncByteStream), {})


# ---- patches ---------------------------------------------------------------------------------------------------------


# A class or a module, the name of its function, and the patch. A patch is a function of this module that gets the
# original function and returns the one to put in its place. It uses `functools.wraps`, so that `__wrapped__` is the
# original. A patch may return the original, which then stays.
_Patch = tuple[Any, str, Callable[[Any], Any]]


class _Interceptor(Mocker):
    """Patches the HTTP libraries, the SDK and `websockets` while at least one router is active.

    The first router that starts sets the patches of `_PATCHES_BY_TARGET` and `_LOWER_PATCHES`. The last one that stops
    removes them.

    Requests are intercepted at two levels. The upper level is the transport of httpx and httpx2. A transport method
    that another tool wrapped, such as a tracer, isn't patched, so that the wrapper runs. Its requests are intercepted
    at the lower level, the connection pool of httpcore and httpcore2 and the connector of aiohttp. A user's own
    transports that don't use the network stay as they are. The innermost of nested routers answers, including those of
    RESPX's own mockers, which patch the connection pool.
    """

    name = "openai_responses"
    targets: ClassVar[list[str]] = []  # empty, because RESPX would patch the same methods of each target
    target_methods: ClassVar[list[str]] = []
    lock = threading.RLock()  # held while a router starts or stops, because mocks may run in several threads

    @classmethod
    def start(cls) -> None:
        """Set the patches. This doesn't use `mock.patch`, which takes as long as a whole test."""
        for owner, name, patch in (*_patches(), *_raises_patches()):
            _set_patch(owner, name, patch)
        _patch_loaded_modules()
        _ImportHook.start()

    @classmethod
    def unregister(cls, router: Any) -> bool:
        """Remove the newest entry of a router. Return True if it was the last one."""
        cls.routers.reverse()
        try:
            return super().unregister(router) and router not in cls.routers
        finally:
            cls.routers.reverse()

    @classmethod
    def stop(cls, force: bool = False) -> None:
        """Remove the patches if no router is active. A patch that somebody else wrapped stays and has no effect."""
        if cls.routers and not force:
            return
        _ImportHook.stop()
        _remove_patches([*_patches(), *_raises_patches(), *_loaded_patches()])


if hasattr(os, "register_at_fork"):  # the lock may have been held by a thread that doesn't exist in the child
    os.register_at_fork(after_in_child=lambda: setattr(_Interceptor, "lock", threading.RLock()))


@functools.cache
def _patches() -> list[_Patch]:
    """Return the patches of `_PATCHES_BY_TARGET` whose package is installed."""
    patches = []
    for target, patches_by_name in _PATCHES_BY_TARGET.items():
        if _is_installed(target.partition(":")[0]):
            owner = pkgutil.resolve_name(target)
            patches += [(owner, name, patch) for name, patch in patches_by_name.items()]
    return patches


def _is_installed(module: str) -> bool:
    """Return True if a module can be imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its package isn't installed
        return False


class _ImportHook:
    """Sets the patches of `_LOWER_PATCHES` when their module is imported while a mock is active."""

    @classmethod
    def start(cls) -> None:
        if cls not in sys.meta_path and not sys.modules.keys() >= _LOWER_PATCHES.keys():
            sys.meta_path.insert(0, cls)

    @classmethod
    def stop(cls) -> None:
        if cls in sys.meta_path:
            sys.meta_path.remove(cls)

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> Any:
        """Return the spec that another finder has for a module of `_LOWER_PATCHES`, with a loader that patches it."""
        if name not in _LOWER_PATCHES:
            return None
        other_finders = [finder for finder in sys.meta_path if finder is not cls]
        for finder in other_finders:
            spec = finder.find_spec(name, path, target)
            if spec:
                spec.loader.exec_module = _patch_exec_module(spec.loader.exec_module)
                return spec
        return None


def _patch_exec_module(exec_module: Any) -> Any:
    """Patch `exec_module` of a module's loader to set the patches of the module after it has run.

    Why: to import aiohttp only to patch it would be slow.
    Not removed, because each import creates a loader. The patch has no effect while no router is active.
    """

    @functools.wraps(exec_module)
    def exec_and_patch(module: Any) -> None:
        exec_module(module)
        if _Interceptor.routers:
            _patch_loaded_modules()

    return exec_and_patch


def _patch_loaded_modules() -> None:
    """Set the patches of the lower level that are not in place.

    This is called for each request too, because RESPX replaces these patches when one of its mockers starts or stops.
    """
    for owner, name, patch in _loaded_patches():
        _set_patch(owner, name, patch)


def _loaded_patches() -> list[_Patch]:
    """Return the patches of `_LOWER_PATCHES` whose module is completely imported."""
    patches = []
    for module_name, owners in _LOWER_PATCHES.items():
        module = sys.modules.get(module_name)
        if all(hasattr(module, owner) for owner in owners):
            patches += _patches_of_module(module)
    return patches


@functools.lru_cache(maxsize=8)
def _patches_of_module(module: types.ModuleType) -> list[_Patch]:
    """Return the patches of `_LOWER_PATCHES` for an imported module."""
    patches = []
    for class_name, patches_by_name in _LOWER_PATCHES[module.__name__].items():
        owner = getattr(module, class_name)
        patches += [(owner, name, patch) for name, patch in patches_by_name.items()]
    return patches


# The code of each function that `_set_patch` has set. It identifies them, because a wrapper of such a function has the
# same attributes, `__wrapped__` among them, but other code.
_own_patch_codes: set[types.CodeType] = set()


def _set_patch(owner: Any, name: str, patch: Callable[[Any], Any]) -> None:
    """Patch a function of a class or a module.

    Do nothing if it is patched already, if the class inherits it, or if it is a method of a transport that somebody
    wrapped.
    """
    original = vars(owner).get(name)
    if original is None or _is_own_patch(original):
        return
    if patch in (_patch_handle_request, _patch_handle_async_request) and _is_wrapped(owner, original):
        return
    patched = _cached_patch(patch, original)
    if patched is not original:
        _own_patch_codes.add(patched.__code__)
        setattr(owner, name, patched)


def _remove_patches(patches: Iterable[_Patch]) -> None:
    """Remove patches that are in place, and leave those that somebody else wrapped."""
    for owner, name, _ in patches:
        while _is_own_patch(vars(owner).get(name)):
            setattr(owner, name, vars(owner)[name].__wrapped__)


def _is_own_patch(function: Any) -> bool:
    """Return True if a function is a patch of this module."""
    return type(function) is types.FunctionType and function.__code__ in _own_patch_codes


def _is_wrapped(owner: type, method: Any) -> bool:
    """Return True if a method is neither from the packages of its class nor from a tool that replaces transports."""
    if type(method) is not types.FunctionType:
        return True
    if _is_replacement(method):
        return False
    # Compare the globals: httpx sets `__module__` of its classes to "httpx", and `functools.wraps` copies it.
    return _package(method.__globals__["__name__"]) not in {_package(cls.__module__) for cls in owner.__mro__}


# Packages that replace the method of a transport in order to answer, to record or to play back.
_REPLACING_PACKAGES = ("pytest_httpx", "vcr")


def _is_replacement(method: Any) -> bool:
    """Return True if a method is defined in one of `_REPLACING_PACKAGES`, even if it uses `functools.wraps`."""
    namespace = getattr(method, "__globals__", {})
    return _package(namespace.get("__name__", "")) in _REPLACING_PACKAGES


def _package(name: str) -> str:
    """Return the top-level package of a module."""
    return name.partition(".")[0]


@functools.lru_cache(maxsize=64)
def _cached_patch(patch: Callable[[Any], Any], original: Any) -> Any:
    """Return the patched function. It is cached because each test patches the same functions."""
    return patch(original)


# ---- assertions that expect a mistake --------------------------------------------------------------------------------


def _patch_raises_exit(method: Any) -> Any:
    """Patch `__exit__` of `pytest.raises` and `assertRaises`, to remove the mistake that the test expected.

    Why: a mistake that only the application caught must fail the test, and one that the test expected must not.
    Removed with the other patches.
    """

    @functools.wraps(method)
    def __exit__(context: Any, exc_type: Any, exc_value: Any, traceback: Any) -> Any:
        is_expected = method(context, exc_type, exc_value, traceback)
        if is_expected and exc_value is not None:
            for error in _leaf_exceptions(exc_value):
                # an asynchronous WebSocket raises a mistake as the cause of its own exception
                is_wrapper = isinstance(error, MockError) or _package(type(error).__module__) == "websockets"
                _remove_seen_mistake(error.__cause__ or error if is_wrapper else error)
        return is_expected

    return __exit__


def _leaf_exceptions(error: BaseException) -> list[BaseException]:
    """Return the exceptions in a group, at every depth, or the exception itself."""
    if not isinstance(getattr(error, "exceptions", None), tuple):
        return [error]
    leaves = []
    for inner in error.exceptions:
        leaves += _leaf_exceptions(inner)
    return leaves


# The classes that expect an exception, by module. Their place differs between releases of pytest.
_RAISES_PATCHES = {
    "unittest.case": ("_AssertRaisesContext",),
    "_pytest.python_api": ("RaisesContext",),
    "_pytest.raises": ("RaisesExc", "RaisesGroup"),
}


def _raises_patches() -> list[_Patch]:
    """Return the patches of `_RAISES_PATCHES` for the modules that are imported."""
    patches: list[_Patch] = []
    for module_name, class_names in _RAISES_PATCHES.items():
        module = sys.modules.get(module_name)
        for class_name in class_names:
            if hasattr(module, class_name):
                patches.append((getattr(module, class_name), "__exit__", _patch_raises_exit))
    return patches


# ---- upper level: transports of httpx and httpx2 ---------------------------------------------------------------------


def _patch_handle_request(method: Any) -> Any:
    """Patch `HTTPTransport.handle_request` of httpx and httpx2 to try the routers before the network.

    Why: every request of a synchronous client without a transport of its own passes this method.
    Removed when the last router stops. If somebody wrapped the patch, it stays, and all requests reach the network.
    """

    @functools.wraps(method)
    def handle_request(transport: Any, request: Any) -> Any:
        return _dispatch_sync(request, types.MethodType(method, transport))

    return handle_request


def _patch_handle_async_request(method: Any) -> Any:
    """Patch `AsyncHTTPTransport.handle_async_request` in the same way, for asynchronous clients."""

    @functools.wraps(method)
    async def handle_async_request(transport: Any, request: Any) -> Any:
        return await _dispatch_async(request, types.MethodType(method, transport))

    return handle_async_request


# The host of the request that is being passed through, so that the lower level lets it through. A task that is started
# meanwhile inherits the context and keeps it, so the list is emptied at the end.
_passed_hosts: contextvars.ContextVar[list[str]] = contextvars.ContextVar("_passed_hosts")


def _is_passed_host(host: str) -> bool:
    """Return True if the lower level should let a request through: the upper level did, or no mock is active."""
    return not _Interceptor.routers or host in _passed_hosts.get(())


def _patch_transport_for_url(method: Any) -> Any:
    """Patch `_transport_for_url` of httpx's and httpx2's clients, which returns the transport for a request.

    Why: some transports cannot be patched at their class; see `_lib_to_answer_for`. They are replaced here. And this
    method runs before each request, so the patches of the lower level are set again here if RESPX replaced them.
    Removed when the last router stops.
    """

    @functools.wraps(method)
    def _transport_for_url(client: Any, url: Any) -> Any:
        transport = method(client, url)
        if not _Interceptor.routers:
            return transport
        _patch_loaded_modules()
        lib = _lib_to_answer_for(transport)
        return _AnsweringTransport(transport, lib) if lib else transport

    return _transport_for_url


def _lib_to_answer_for(transport: Any) -> str:
    """Return the HTTP library of a transport that `_AnsweringTransport` must replace, or "" for any other transport.

    These are transports whose method pytest-httpx or vcrpy replaced, and those that send with aiohttp, of which there
    are many classes. A transport on aiohttp that somebody wrapped is not replaced, because the lower level answers it.
    """
    cls = type(transport)
    name = "handle_request" if hasattr(cls, "handle_request") else "handle_async_request"
    method = getattr(cls, name, None)
    if _is_replacement(method):
        return _package(cls.__module__)
    if "aiohttp" not in cls.__module__:
        return ""
    if name in getattr(transport, "__dict__", ()) or _is_wrapped(cls, method):
        return ""
    return "aiohttp"


class _AnsweringTransport:
    """A transport that tries the routers before the transport it replaces."""

    def __init__(self, transport: Any, lib: str) -> None:
        self.transport = transport
        self.lib = lib

    def handle_request(self, request: Any) -> Any:
        return _dispatch_sync(request, self.transport.handle_request, self.lib)

    async def handle_async_request(self, request: Any) -> Any:
        return await _dispatch_async(request, self.transport.handle_async_request, self.lib)


def _patch_transport_init(init: Any) -> Any:
    """Patch the constructors of httpx's and httpx2's transports. Those with default settings share an SSL context.

    Why: loading the certificates for a context is slow, and a client whose requests are mocked doesn't use them.
    Removed when the last router stops. A transport that was created before keeps the context, which is a complete one.
    """

    @functools.wraps(init)
    def __init__(transport: Any, /, *args: Any, **settings: Any) -> None:
        if not args and settings.get("verify", True) is True and settings.get("cert") is None:
            settings["verify"] = _shared_ssl_context(
                sys.modules[_package(init.__module__)],
                bool(settings.get("trust_env", True)),
                os.environ.get("SSL_CERT_FILE"),
                os.environ.get("SSL_CERT_DIR"),
            )
        init(transport, *args, **settings)

    return __init__


@functools.cache
def _shared_ssl_context(http_lib: Any, trust_env: bool, *variables: str | None) -> Any:
    """Return the SSL context for these settings, as the library creates it. It verifies certificates.

    variables: the environment variables that the library reads. They are part of the key of the cache.
    """
    return _LazySSLContext(lambda: http_lib.create_ssl_context(trust_env=trust_env))


class _LazySSLContext:
    """An SSL context that is created at the first TLS handshake, because loading certificates is slow."""

    __class__ = property(lambda self: ssl.SSLContext)  # clients check `isinstance(context, ssl.SSLContext)`

    def __init__(self, create_context: Callable[[], ssl.SSLContext]) -> None:
        self.get_context = functools.cache(create_context)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.get_context(), name)


_HTTP_PATCHES = {
    "HTTPTransport": {
        "__init__": _patch_transport_init,
        "handle_request": _patch_handle_request,
    },
    "AsyncHTTPTransport": {
        "__init__": _patch_transport_init,
        "handle_async_request": _patch_handle_async_request,
    },
    "Client": {"_transport_for_url": _patch_transport_for_url},
    "AsyncClient": {"_transport_for_url": _patch_transport_for_url},
}


# The patches by `module:class` and by the name of the method. WEBSOCKET CONNECTIONS adds those of `websockets`.
_PATCHES_BY_TARGET = {
    **{f"httpx:{class_name}": patches for class_name, patches in _HTTP_PATCHES.items()},
    **{f"httpx2:{class_name}": patches for class_name, patches in _HTTP_PATCHES.items()},
    "openai._base_client:BaseClient": {"_calculate_retry_timeout": _patch_retry_timeout},
    "openai._base_client:SyncAPIClient": {"request": _patch_sdk_request},
    "openai._base_client:AsyncAPIClient": {"request": _patch_sdk_request},
}


# ---- dispatch: a request to the routers ------------------------------------------------------------------------------


def _dispatch_sync(request: Any, network: Callable[[Any], Any], lib: str = "") -> Any:
    """Read the body of a request of a synchronous client, and return its response. See `_dispatch`."""
    request.read()
    return _run_without_waiting(_dispatch(request, "handler", network, lib))


async def _dispatch_async(request: Any, network: Callable[[Any], Any], lib: str = "") -> Any:
    """Read the body of a request of an asynchronous client, and return its response. See `_dispatch`."""
    await request.aread()
    return await _dispatch(request, "async_handler", network, lib)


async def _dispatch(request: Any, handler: str, network: Callable[[Any], Any], lib: str) -> Any:
    """Return the response of the first router that knows a request. Every intercepted request passes this function.

    request: a request of httpx or httpx2, whose body has been read.
    handler: the name of the router's method, "handler" or "async_handler".
    network: the original function, which sends a request to the network and returns its response or an awaitable.
    lib: the HTTP library that sends the request, or "" for the library of `request`.
    Returns a response of the library of `request`, whose body has not been read, or what `network` returns.

    `network` is called only if a route passes the request through, if no router is active, if pytest-httpx or vcrpy
    replaced it and no active mock has a base URL above the request's, or if RESPX's own mockers answer in it.
    With "handler" and a synchronous `network`, this coroutine never waits.

    Raises the network fault that a test set, the exception of a mistake in the test, or, if no router knows the
    request, the exception of `_unmatched_error`.
    """
    converted = _httpx_request(request)
    converted.intercepted = True  # a router that doesn't know the request leaves it to the next one, and doesn't log it
    for router in _routers_for(lib or _package(type(request).__module__)):
        try:
            if router is None:
                return await _pass_through(request, network)
            response = await _await_if_needed(getattr(router, handler)(converted))
            return _native_response(response, request)
        except PassThrough:
            return await _pass_through(request, network)
        except AllMockedAssertionError:
            continue
        except MockError as error:
            if not isinstance(error.__cause__, AllMockedAssertionError):
                raise  # the router knows the request, and the test has a mistake
    if not _Interceptor.routers:
        return await _pass_through(request, network)
    if _is_replacement(network) and not _active_routers(converted.raw_url):
        return await _pass_through(request, network)
    raise _unmatched_error(converted)


async def _pass_through(request: Any, network: Callable[[Any], Any]) -> Any:
    """Return the response of the network. The lower level lets the host of the request through meanwhile."""
    hosts = [request.url.raw_host.decode()]
    token = _passed_hosts.set(hosts)
    try:
        return await _await_if_needed(network(request))
    finally:
        hosts.clear()
        _passed_hosts.reset(token)


def _unmatched_error(request: _LazyRequest) -> BaseException:
    """Log a request that no router knows in all of them, and return the exception to raise.

    A request to another host gets the `ConnectError` of a host that can't be reached, so that a program that can do
    without that host continues. A request of the SDK gets a `RequestNotMocked`. So does one to a loopback host, where a
    fixture that waits for a server would otherwise try again and again.
    """
    message = _log_unmatched(request)
    if _active_routers(request.raw_url) or _is_from_sdk(request.headers) or _is_loopback(request.url.host):
        error = RequestNotMocked(message)
        _active_routers()[0]._mock._add_mistake(error, f"{request.method} {request.url.path}")
        return _to_client_exception(error, request)
    return request.http_lib.ConnectError(message, request=request)


def _log_unmatched(request: httpx.Request) -> str:
    """Log a request that no router knows in all of them, and return the error message."""
    routers = _active_routers()
    for router in routers:
        router._record(request)
    messages = [router._mock._unmatched_message(request) for router in routers]
    return "; ".join(dict.fromkeys(messages))  # equal messages once


def _is_from_sdk(headers: Iterable[str]) -> bool:
    """Return True if one of the names of headers is one that only the SDK sends."""
    return any(name.lower().startswith("x-stainless-") for name in headers)


def _is_loopback(host: str) -> bool:
    """Return True if a host name or an address is that of the machine itself."""
    host = host.removesuffix(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a name
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def _is_called_from(module: str, through: str = "") -> bool:
    """Return True if one of the calling functions is in a module or in a submodule of it.

    through: the only package whose functions may be called in between; "" for any.
    """
    for name in _calling_modules():
        if name == module or name.startswith(f"{module}."):
            return True
        if through and _package(name) != through:
            return False
    return False


def _calling_modules() -> Iterator[str]:
    """Yield the modules of the calling functions, and of the coroutines that wait for them, nearest first.

    The functions of this module are left out.
    """
    frame = sys._getframe(1)
    while frame:
        module = frame.f_globals.get("__name__", "")
        if module != __name__:
            yield module
        frame = frame.f_back


# ---- lower level: connection pools of httpcore and httpcore2, connectors of aiohttp ----------------------------------


def _patch_pool(method: Any) -> Any:
    """Patch `handle_request` of httpcore's and httpcore2's connection pools to try the routers before the network.

    Why: a request does not pass the patch of the upper level if somebody wrapped the method of the transport, or if a
    program uses httpcore directly.
    Removed when the last router stops. RESPX patches the same methods; see `_patch_loaded_modules`.
    """

    @functools.wraps(method)
    def handle_request(pool: Any, request: Any) -> Any:
        if _is_passed_host(request.url.host.decode()):
            return method(pool, request)
        converted = _from_httpcore(request)

        def network(_: Any) -> Any:
            return method(pool, _with_body(request, converted))

        with _errors_of_httpcore(request):
            response = _dispatch_sync(converted, network)
            return _to_httpcore(response, request)

    return handle_request


def _patch_async_pool(method: Any) -> Any:
    """Patch `handle_async_request` of the asynchronous connection pools in the same way."""

    @functools.wraps(method)
    async def handle_async_request(pool: Any, request: Any) -> Any:
        if _is_passed_host(request.url.host.decode()):
            return await method(pool, request)
        converted = _from_httpcore(request)

        def network(_: Any) -> Any:
            return method(pool, _with_body(request, converted))

        with _errors_of_httpcore(request):
            response = await _dispatch_async(converted, network)
            return _to_httpcore(response, request)

    return handle_async_request


# The proxies inherit the method. While RESPX is active they have one of their own, because RESPX patches them too.
_POOL_PATCHES = {
    "ConnectionPool": {"handle_request": _patch_pool},
    "HTTPProxy": {"handle_request": _patch_pool},
    "AsyncConnectionPool": {"handle_async_request": _patch_async_pool},
    "AsyncHTTPProxy": {"handle_async_request": _patch_async_pool},
}


def _from_httpcore(request: Any) -> Any:
    """Convert a request of httpcore or httpcore2 to one of httpx or httpx2."""
    http_lib = importlib.import_module(_httpcore_module_of(request).__name__.replace("httpcore", "httpx"))
    url = request.url
    httpx_url = http_lib.URL(scheme=url.scheme.decode(), host=url.host.decode(), port=url.port, raw_path=url.target)
    return http_lib.Request(
        request.method.decode(),
        httpx_url,
        headers=request.headers,
        stream=request.stream,
        extensions=request.extensions,
    )


@contextlib.contextmanager
def _errors_of_httpcore(request: Any) -> Iterator[None]:
    """Raise network errors of httpx as the errors of the same name in httpcore."""
    try:
        yield
    except tuple(http_lib.RequestError for http_lib in _http_libs()) as error:
        httpcore_error = getattr(_httpcore_module_of(request), type(error).__name__, None)
        if httpcore_error is None:
            raise
        raise httpcore_error(str(error)) from error


def _with_body(request: Any, converted: Any) -> Any:
    """Give the body that was read from a request of httpcore back to it, and return the request."""
    request.stream = converted.stream
    return request


def _to_httpcore(response: Any, request: Any) -> Any:
    """Convert a response of httpx to a response of httpcore or httpcore2, whichever the request belongs to.

    A response that came from the network is one already, and is returned as it is.
    """
    httpcore_module = _httpcore_module_of(request)
    if isinstance(response, httpcore_module.Response):
        return response
    return httpcore_module.Response(
        response.status_code, headers=response.headers.raw, content=response.stream, extensions=response.extensions
    )


def _httpcore_module_of(request: Any) -> Any:
    """Return the module of a request, httpcore or httpcore2."""
    return sys.modules[_package(type(request).__module__)]


def _patch_connector(method: Any) -> Any:
    """Patch `BaseConnector.connect` of aiohttp, which opens a connection, to return one in memory.

    Why: aiohttp has no transport to patch. The connection in memory tries the routers when the request is written.
    Removed when the last router stops.
    """

    @functools.wraps(method)
    async def connect(connector: Any, req: Any, traces: Any, timeout: Any) -> Any:
        if _is_aiohttp_passthrough(req):
            return await method(connector, req, traces, timeout)
        from aiohttp.client_proto import ResponseHandler
        from aiohttp.connector import Connection

        loop = asyncio.get_running_loop()
        protocol = ResponseHandler(loop=loop)
        protocol.connection_made(_AiohttpTransport(req, protocol, lambda: method(connector, req, traces, timeout)))
        protocol.force_close()  # so that no pool keeps it
        return Connection(connector, req.connection_key, protocol, loop)

    return connect


# The patches of the lower level, by module. They are set when the module is imported: importing aiohttp is slow.
_LOWER_PATCHES = {
    "httpcore": _POOL_PATCHES,
    "httpcore2": _POOL_PATCHES,
    "aiohttp": {"BaseConnector": {"connect": _patch_connector}},
}


def _is_aiohttp_passthrough(req: Any) -> bool:
    """Return True if a request of aiohttp isn't intercepted.

    These requests are not intercepted, unless a mock has a base URL above them: WebSockets of other programs, requests
    of aiohttp's test client, whose server is part of the test, and requests that vcrpy records or plays back. A request
    that a route passed through is not intercepted either.
    """
    if _is_passed_host(req.url.raw_host):
        return True
    if _active_routers(str(req.url)):
        return False
    if req.headers.get("upgrade", "").lower() == "websocket" and not _is_from_sdk(req.headers):
        return True
    if _is_replacement(sys.modules["aiohttp"].ClientSession._request):
        return True
    return _is_called_from("aiohttp.test_utils", through="aiohttp")


class _AiohttpTransport(asyncio.Transport):
    """A connection of aiohttp without a socket. It parses the request that is written to it, and writes the response.

    req: the request of aiohttp, which has the URL.
    protocol: the client's end of the connection.
    connect: opens the real connection, for a request that is passed through.
    """

    def __init__(self, req: Any, protocol: Any, connect: Callable[[], Any]) -> None:
        import h11

        super().__init__()
        self.req = req
        self.protocol = protocol
        self.connect = connect
        self.server = h11.Connection(h11.SERVER, max_incomplete_event_size=2**20)
        self.written = bytearray()  # all bytes of the request, which a real connection needs again
        self.head: Any = None
        self.body = bytearray()
        self.real_connection: Any = None  # opened only for a request that is passed through
        self.task: asyncio.Task[None] | None = None  # started at the end of the request
        self.closed = False
        self.may_write = asyncio.Event()  # cleared while the client's end doesn't read
        self.may_write.set()

    def write(self, data: Any) -> None:
        self.written += data
        if data and not self.task:
            self.server.receive_data(bytes(data))
            self._parse()

    def _parse(self) -> None:
        """Parse what was written, and start to answer at the end of the request."""
        import h11

        while (event := self.server.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Request):
                self.head = event
            elif isinstance(event, h11.Data):
                self.body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self.task = asyncio.get_running_loop().create_task(self._respond())
                return
        if self.server.they_are_waiting_for_100_continue:
            self._send(h11.InformationalResponse(status_code=100, headers=[]))

    def _send(self, event: Any) -> None:
        """Write an event of h11 to the client."""
        if data := self.server.send(event):
            self.protocol.data_received(data)

    async def _respond(self) -> None:
        """Write the response to the client, or have the client raise an exception."""
        headers = self.head.headers.raw_items()
        stream = httpx.ByteStream(bytes(self.body))
        request = httpx.Request(self.head.method.decode(), str(self.req.url), headers=headers, stream=stream)
        try:
            response = await _dispatch_async(request, self._use_network, "aiohttp")
            if response is not None:
                await self._write_response(response)
        except (Exception, MockError) as error:  # aiohttp raises it in the caller
            self._fail(_aiohttp_error(error, self.req))

    async def _write_response(self, response: Any) -> None:
        import h11

        try:
            headers = response.headers.raw
            self._send(h11.Response(status_code=response.status_code, headers=headers, reason=response.reason_phrase))
            async for data in response.stream:
                await self.may_write.wait()
                self._send(h11.Data(data))
            self._send(h11.EndOfMessage())
        finally:
            await response.stream.aclose()

    async def _use_network(self, request: Any) -> None:
        """Open the real connection, and have aiohttp use it from here on."""
        self.real_connection = await self.connect()
        self.real_connection.transport.set_protocol(self.protocol)
        self.real_connection.transport.write(bytes(self.written))

    def _fail(self, error: BaseException) -> None:
        """Have the client raise an exception: for its request or, if it has the response's head, while it reads."""
        if self.protocol._payload is None:
            self.protocol.set_exception(error)
        else:
            self.protocol.connection_lost(error)

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.may_write.clear()

    def resume_reading(self) -> None:
        self.may_write.set()

    def close(self) -> None:
        self.closed = True
        if self.task:
            self.task.cancel()
        if self.real_connection:
            self.real_connection.close()

    abort = close


def _aiohttp_error(error: BaseException, req: Any) -> BaseException:
    """Convert a network error of httpx or httpx2 to one of aiohttp. Return any other exception as it is."""
    aiohttp = sys.modules["aiohttp"]
    for http_lib in _http_libs():
        if isinstance(error, http_lib.TimeoutException):
            return aiohttp.ServerTimeoutError(str(error))
        if isinstance(error, http_lib.ConnectError):
            return aiohttp.ClientConnectorError(req.connection_key, OSError(errno.ECONNREFUSED, str(error)))
        if isinstance(error, http_lib.RequestError):
            return aiohttp.ClientConnectionError(str(error))
    return error


# ======================================================================================================================
# WEBSOCKET CONNECTIONS: the client of `websockets`, without a socket
# ======================================================================================================================


# ---- the server's end: frames, without I/O ---------------------------------------------------------------------------


def _websocket_server_for(uri: str, headers: Any) -> _WebSocketServer | None:
    """Return the server's end of a connection that a mock answers, or `None` for one that goes to the network.

    A connection goes to the network if no mock is active, if a route passes it through, or if another program opens it
    to a host that no mock answers.
    Raises `RequestNotMocked` for any other connection that no mock answers.
    """
    urls = [
        re.sub("^ws", "http", uri),
        re.sub("^wss?", "http", uri),  # the SDK opens some WebSockets with wss although its base URL is http
    ]
    if not _Interceptor.routers or _is_passed_through(uri, *urls):
        return None
    url = next((url for url in urls if _active_routers(url)), urls[0])
    routers = _active_routers(url)
    for router in routers:
        with contextlib.suppress(RequestNotMocked):
            router._mock._to_call(httpx.Request("WS", url))
            return _WebSocketServer(router, url)
    if routers:
        message = (
            f"WS {uri.partition('?')[0]} would reach the network, because the API has no such WebSocket. "
            "A route of `openai_mock.router` can pass it through"
        )
        raise _unmatched_websocket(message, uri)
    if not _is_connecting_from_sdk(headers):
        return None
    raise _unmatched_websocket(_log_unmatched(httpx.Request("GET", uri, headers=_header_items(headers))), uri)


def _unmatched_websocket(message: str, uri: str) -> RequestNotMocked:
    """Return the exception of a WebSocket that no mock answers, and add it to the mistakes of the innermost mock."""
    error = RequestNotMocked(message)
    _active_routers()[0]._mock._add_mistake(error, f"WS {httpx.URL(uri).path}")
    return error


def _is_passed_through(*urls: str) -> bool:
    """Return True if the first route of a test that matches a WebSocket passes it through.

    urls: the URL of the WebSocket in each form that a route may have.
    """
    requests = [httpx.Request("GET", url) for url in urls]
    for router in _active_routers():
        for route in router.routes:
            if not route.pattern or any(route.pattern.match(request) for request in requests):
                return route.is_pass_through
    return False


class _WebSocketServer:
    """The server's end of a connection. It gets bytes with `receive`, and has the bytes to send in its `protocol`."""

    def __init__(self, router: Router, url: str) -> None:
        from websockets.server import ServerProtocol

        self.protocol = ServerProtocol(max_size=None)
        self.router = router
        self.url = url
        self.inbox: collections.deque[Any] = collections.deque()  # the handshake, then messages
        self.session: _SocketSession | None = None  # opened by the handshake
        self.broken = False  # the connection ended without a close frame
        self.fragments = b""  # the frames so far of a message in several

    def receive(self, data: bytes) -> None:
        """Add the handshake and the complete messages in the client's bytes to the inbox."""
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if not hasattr(event, "opcode"):
                self.inbox.append(event)
            elif event.opcode < 8:  # the others are pings and closes, which the protocol answers
                self.fragments += event.data
                if event.fin:
                    self.inbox.append(self.fragments)
                    self.fragments = b""

    async def process_next(self, wait: _Wait) -> bool:
        """Handle the next message of the inbox or, if there is none, send the next event. Return False if it can't."""
        if self.inbox:
            await self.handle_message(wait)
            return True
        next_event = self.next_event()
        if next_event is None:
            return False
        delay, event = next_event
        if delay:
            await wait(_sleep(delay))
        self.send(event)
        return True

    async def handle_message(self, wait: _Wait) -> None:
        """Remove the next message from the inbox and handle it. The first message is the handshake."""
        message = self.inbox.popleft()
        with self._recorded_mistakes():
            if self.session is None:
                await self._open(message, wait)
            else:
                await self.session.receive(message, wait)

    def next_event(self) -> tuple[float, Any] | None:
        """Remove and return the next event with the seconds to wait before it, or None if nothing is to be sent."""
        if self.session is None or self._is_closed():
            return None
        with self._recorded_mistakes():
            return self.session.next_event()

    def send(self, event: Any) -> None:
        """Send an event, unless the connection was closed during the delay before it."""
        with self._recorded_mistakes():
            if not self._is_closed():
                self._send(event)

    @contextlib.contextmanager
    def _recorded_mistakes(self) -> Iterator[None]:
        """Add a mistake that is raised within the context to those of the mock."""
        try:
            yield
        except Exception as error:
            if _is_unexplained(error):
                self.add_mistake(error)
            raise

    def add_mistake(self, error: Exception) -> None:
        """Add an exception to the mistakes of the mock that answers this connection."""
        router = self.session.router if self.session else self.router
        url = self.session.call.request.url if self.session else httpx.URL(self.url)
        router._mock._add_mistake(error, f"WS {url.path}")

    def _is_closed(self) -> bool:
        return self.broken or self.protocol.state.name != "OPEN"

    def _send(self, event: Any) -> None:
        """Send an event of a session: a message, a close code, a `_Close`, or `None` to break the connection."""
        if isinstance(event, int):
            event = _Close(event)
        if event is None:
            self.broken = True
        elif isinstance(event, _Close):
            self.protocol.send_close(event.code, event.reason)
        else:
            self.protocol.send_text(_encode_message(event))

    async def _open(self, handshake: Any, wait: _Wait) -> None:
        """Accept a connection, or refuse it with the error that a test set for it."""
        request = httpx.Request("WS", self.url, headers=list(handshake.headers.raw_items()))
        result = await _open_session(self.router, request, wait)
        if isinstance(result, httpx.Response):
            rejection = self.protocol.reject(result.status_code, result.read().decode())
            rejection.headers.pop("Content-Type")
            rejection.headers["Content-Type"] = "application/json"
            self.protocol.send_response(rejection)
        else:
            self.protocol.send_response(self.protocol.accept(handshake))
            self.session = result


def _encode_message(event: Any) -> bytes:
    """Encode an event as a message: a string as it is, anything else as JSON."""
    return _encode_utf8(event if isinstance(event, str) else _json_encode(event))


async def _open_session(router: Router, request: httpx.Request, wait: _Wait) -> _SocketSession | httpx.Response:
    """Log a connection. Return its session, or the response it is refused with."""
    call = router._mock._to_call(request)
    record = router._record(httpx.Request("GET", request.url, headers=request.headers), call)
    rejection = await _handshake_rejection(call, wait, record)
    if rejection:
        record.response = rejection
        return rejection
    record.response = httpx.Response(101)
    session = _SOCKET_SESSIONS[call.row.name](call, router)
    session.open(wait, record)
    return session


async def _handshake_rejection(call: _Call, wait: _Wait, record: Record) -> httpx.Response | None:
    """Return the response that refuses a connection, or `None` to accept it.

    It is refused if the endpoint's response, or the next step of it, is an error. A strict mock also refuses it if it
    lacks an API key.
    """
    endpoint = call.mock._endpoint(call.row)
    step = endpoint._response
    if _is_list_or_tuple(step) and endpoint._hit_count < len(step):
        step = step[endpoint._hit_count]
    try:
        if call.mock._strict:
            _check_api_key(call)
        return await _answer(call, wait, record) if _is_response(step) else None
    except _ServiceError as error:
        return _json_response(call, {"error": error.envelope}, error.status)


def _is_connecting_from_sdk(headers: Any) -> bool:
    """Return True if the SDK, or openai-agents, opens a WebSocket.

    Before openai 3 the SDK sends no header of its own, so look at the callers. A function tool that openai-agents runs
    may open a WebSocket to another service, so openai-agents must call `websockets` itself.
    """
    if _is_from_sdk(name for name, _ in _header_items(headers)) or _is_called_from("openai"):
        return True
    if not hasattr(sys.modules.get("agents"), "flush_traces"):  # a package of the user's may be called `agents` too
        return False
    for module in _calling_modules():
        package = _package(module)
        if package not in ("websockets", "asyncio"):
            return package == "agents"
    return False


def _header_items(headers: Any) -> list[tuple[str, str]]:
    """Return the names and values of headers in one of the forms that `websockets` takes."""
    from websockets.datastructures import Headers

    return list(Headers(headers or {}).raw_items())


# ---- the client's end, asynchronous and synchronous ------------------------------------------------------------------


def _patch_create_connection(create_connection: Any) -> Any:
    """Patch the method of `websockets.asyncio.client.connect` that opens the TCP connection.

    Why: the connection of a mock has no socket. It is the usual object of `websockets`, whose transport leads to a
    `_WebSocketServer`.
    Removed when the last router stops.
    """

    @functools.wraps(create_connection)
    async def create_loopback_connection(client: Any) -> Any:
        server = _websocket_server_for(client.uri, client.additional_headers)
        if server is None:
            return await create_connection(client)
        from websockets.uri import parse_uri

        # up to release 16 of `websockets` it is `protocol_factory`
        factory = getattr(client, "protocol_factory", None) or client.factory
        connection = factory(parse_uri(client.uri))
        connection.connection_made(_LoopbackTransport(server, connection))
        return connection

    return create_loopback_connection


class _LoopbackTransport(asyncio.Transport):
    """A transport between a connection of `websockets` and the server's end. Its task handles what was written."""

    def __init__(self, server: _WebSocketServer, connection: Any) -> None:
        super().__init__()
        self.server = server
        self.connection = connection
        self.closed = False
        self.wakeup = asyncio.Event()  # set when the client has written something
        self.task = asyncio.get_running_loop().create_task(self._relay())

    def write(self, data: bytes) -> None:
        self.server.receive(data)
        self.wakeup.set()

    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return self.closed

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing, because `write` never buffers."""

    def pause_reading(self) -> None:
        """Do nothing, because the client keeps the messages that it has not read."""

    resume_reading = pause_reading

    def close(self, error: BaseException | None = None) -> None:
        if not self.closed:
            self.closed = True
            self.wakeup.set()
            self.connection.connection_lost(error)

    abort = close

    async def _relay(self) -> None:
        """Have the server's end handle messages and send events, in order, until the connection is closed."""
        try:
            while not self.closed:
                self.wakeup.clear()
                processed = await self.server.process_next(_await_if_needed)
                self._deliver()
                if processed or self.closed:
                    await asyncio.sleep(0)
                else:
                    await self.wakeup.wait()
        except Exception as error:  # the client raises it as the reason why its connection is closed
            self.close(error)

    def _deliver(self) -> None:
        """Pass the bytes of the server's end to the client."""
        for data in self.server.protocol.data_to_send():
            if data and not self.closed:
                self.connection.data_received(data)
            else:  # no bytes stand for the end of the connection
                self.close()
        if self.server.broken:
            self.close()


def _patch_connect(connect: Any) -> Any:
    """Patch `websockets.sync.client.connect`, which opens a synchronous connection.

    Why: the connections of `websockets` read from a socket in a thread. A `_SyncConnection` needs neither.
    Removed when the last router stops.
    """

    @functools.wraps(connect)
    def connect_to_mock(uri: str, *args: Any, **settings: Any) -> Any:
        server = _websocket_server_for(uri, settings.get("additional_headers"))
        if server is None:
            return connect(uri, *args, **settings)
        return _SyncConnection(server, uri, settings)

    return connect_to_mock


_extend_table(
    _PATCHES_BY_TARGET,
    {
        "websockets.asyncio.client:connect": {
            "create_connection": _patch_create_connection,  # up to release 16
            "open_tcp_connection": _patch_create_connection,
        },
        "websockets.sync.client:": {"connect": _patch_connect},
    },
)


class _SyncConnection:
    """A synchronous connection, with the methods that the SDK calls. One thread may receive while others send.

    There is no thread that receives events. `recv` has the server's end produce the next one. If there is none, `recv`
    waits for another thread of the test to send a message.
    """

    _WAIT_LIMIT = 10.0  # seconds that `recv` without a timeout waits for another thread to send a message
    _CHECK_INTERVAL = 0.02  # seconds after which `recv` checks again if such a thread is alive

    def __init__(self, server: _WebSocketServer, uri: str, settings: Mapping[str, Any]) -> None:
        from websockets.client import ClientProtocol
        from websockets.uri import parse_uri

        self.server = server
        self.protocol = ClientProtocol(parse_uri(uri), max_size=settings.get("max_size", 2**20))
        self.messages = collections.deque[bytes]()  # received, and not read yet
        self.next_event: tuple[float, Any] | None = None  # the time when the next event is due, and the event
        # Held by the thread that uses the connection. `recv` releases it while it waits.
        self.condition = threading.Condition()
        self.is_receiving = False  # a thread is in `recv`
        self.changed = False  # a message was sent, or the connection closed, since `recv` began to wait
        # Threads of pytest's plugins and the like, which do not use the connection.
        self.unrelated_threads = set(threading.enumerate()) - {threading.current_thread()}
        self.request = self.protocol.connect()
        self.response = None
        self.request.headers.update(settings.get("additional_headers") or {})
        self.protocol.send_request(self.request)
        self._exchange()
        self._handle_message()
        if self.protocol.handshake_exc:
            raise self.protocol.handshake_exc

    def send(self, message: str | bytes, text: bool | None = None) -> None:
        """Send a message and handle it. The events it causes are produced by `recv`."""
        data = message.encode() if isinstance(message, str) else message
        with self.condition:
            self.unrelated_threads.discard(threading.current_thread())
            self._check_open()
            if text or isinstance(message, str):
                self.protocol.send_text(data)
            else:
                self.protocol.send_binary(data)
            self._exchange()
            while self.server.inbox:
                self._handle_message()
            self._notify_receiver()

    def recv(self, timeout: float | None = None, decode: bool | None = None) -> str | bytes:
        """Return the next message. Wait for the delay before it, or for another thread that may cause one.

        timeout: the seconds to wait at most. By default, `recv` waits until `_WAIT_LIMIT` seconds have passed in which no
            thread sent a message.
        Without a message, it raises `TimeoutError` or, if there is no timeout, `AssertionError`. It does so at once if no
        other thread can send a message. Raises `ConnectionClosed` of `websockets` if the connection is closed meanwhile,
        and `ConcurrencyError` if another thread is receiving.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self.condition, self._receiving():
            while not self.messages:
                self._check_open()
                self._receive_next(deadline)
            data = self.messages.popleft()
        return data if decode is False else data.decode()

    def close(self, code: int = 1000, reason: str = "") -> None:
        with self.condition:
            if not self._is_closed():
                self.protocol.send_close(code, reason)
                self._exchange()
            self._notify_receiver()

    def __enter__(self) -> _SyncConnection:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[str | bytes]:
        from websockets.exceptions import ConnectionClosedOK

        with contextlib.suppress(ConnectionClosedOK):
            while True:
                yield self.recv()

    def _check_open(self) -> None:
        if self._is_closed():
            raise self.protocol.close_exc

    def _is_closed(self) -> bool:
        return self.protocol.state.name != "OPEN"

    def _notify_receiver(self) -> None:
        self.changed = True
        self.condition.notify_all()

    @contextlib.contextmanager
    def _receiving(self) -> Iterator[None]:
        """Keep other threads from receiving, because they would get the messages in any order."""
        from websockets import exceptions

        if self.is_receiving:
            error_class = getattr(exceptions, "ConcurrencyError", RuntimeError)  # release 13.0 has no class of its own
            raise error_class("another thread is in recv(), so this thread cannot receive too")
        self.is_receiving = True
        try:
            yield
        finally:
            self.is_receiving = False

    def _receive_next(self, deadline: float | None) -> None:
        """Receive the next event when it is due. If there is none, return when another thread has sent a message.

        Also return when another thread has closed the connection. Raises `TimeoutError` at the deadline.
        """
        if self.next_event is None:
            next_event = self.server.next_event()
            if next_event is None:
                self._wait_for_other_threads(deadline)
                return
            delay, event = next_event
            self.next_event = time.monotonic() + delay, event
        due, event = self.next_event
        remaining = due - time.monotonic()
        if remaining > 0:
            limit = remaining if deadline is None else min(remaining, deadline - time.monotonic())
            if self.condition.wait_for(self._is_closed, limit):
                return
            if limit < remaining:
                raise TimeoutError("the next event is not due yet")
        self.next_event = None
        self.server.send(event)
        self._exchange()

    def _wait_for_other_threads(self, deadline: float | None) -> None:
        """Return when another thread has sent a message or closed the connection, or when the mock has stopped.

        A mock that stops closes the connection, because nobody expects an exception in a thread that outlives its test.
        The wait is counted in intervals, because a test may stop the clock.
        Raises `TimeoutError` or, if there is no deadline, `AssertionError` if no thread does so in time, or none can.
        """
        self.changed = False
        remaining = self._WAIT_LIMIT if deadline is None else deadline - time.monotonic()
        while remaining > 0 and self._can_another_thread_send():
            if self.condition.wait_for(lambda: self.changed, min(remaining, self._CHECK_INTERVAL)):
                return
            if self.server.router not in _Interceptor.routers:
                self.server.send(1000)  # the SDK reconnects after other codes, and that would reach the network
                self._exchange()
                return
            remaining -= self._CHECK_INTERVAL
        if deadline is not None:
            raise TimeoutError("the session has no message to send")
        outcome = "would wait forever" if remaining > 0 else f"waited {self._WAIT_LIMIT:g} s for another thread to send"
        client_messages = ", ".join(self.server.session.received_types) or "nothing"
        error = AssertionError(
            f"recv() {outcome}: the client sent {client_messages}, received every event that followed, "
            "and must send another message first"
        )
        self.server.add_mistake(error)
        raise error

    def _can_another_thread_send(self) -> bool:
        """Return True if another thread is alive that opened the connection, used it to send, or started after that."""
        other_threads = set(threading.enumerate()) - {threading.current_thread()}
        return not other_threads <= self.unrelated_threads

    def _handle_message(self) -> None:
        """Have the server's end handle one message."""
        _run_without_waiting(self.server.handle_message(_wait_in_thread))
        self._exchange()

    def _exchange(self) -> None:
        """Pass bytes between the client's and the server's end until neither has any left."""
        pending = True
        while pending:
            client_data = self.protocol.data_to_send()
            server_data = self.server.protocol.data_to_send()
            for data in client_data:
                if data:
                    self.server.receive(data)
            for data in server_data:
                if data:
                    self.protocol.receive_data(data)
                else:  # no bytes stand for the end of the connection
                    self.protocol.receive_eof()
            for event in self.protocol.events_received():
                self._receive_event(event)
            pending = client_data or server_data
        if self.server.broken:
            self.protocol.receive_eof()

    def _receive_event(self, event: Any) -> None:
        """Keep the response to the handshake, and messages. The protocol handles pings and closes itself."""
        if not hasattr(event, "opcode"):
            self.response = event
        elif event.opcode < 8:
            self.messages.append(bytes(event.data))


# ======================================================================================================================
# SERVER: the mock as an ASGI application, for other processes and languages
# ======================================================================================================================


async def _serve_http(mock: OpenAIMock, scope: Any, receive: Any, send: Any) -> None:
    """Answer an HTTP request to the server: a request to the control plane, or a call of the API."""
    headers = _request_headers(scope)
    path = _request_path(scope)
    content = await _receive_body(receive, mock._limits["body"])
    if content is None:  # the client disconnected before the end of the body
        return
    if isinstance(content, httpx.Response):
        response = content
    elif path.startswith("/_mock/"):
        response = _handle_control(mock, _request_api_key(headers), scope, path.removeprefix("/_mock"), content)
    elif scope["method"] == "OPTIONS":  # a browser checks if a page may call the API
        response = _add_cors_headers(httpx.Response(204), headers)
    else:
        key_mock = mock.for_key(_request_api_key(headers))
        request = _ASGIRequest(key_mock, scope["method"], scope, content)
        response = _add_cors_headers(await _answer_served(key_mock, request), headers)
        _enforce_limits(key_mock)
    await _send(response, receive, send)


async def _receive_body(receive: Any, max_size: int) -> bytes | httpx.Response | None:
    """Return the body of a request, a 413 response if it is too large, or None if the client disconnected."""
    pieces = []
    size = 0
    while (message := await receive())["type"] == "http.request":
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > max_size:
            return _server_error(413, f"The body of the request is larger than {max_size} bytes.")
        if not message.get("more_body"):
            return b"".join(pieces)
    return None


def _add_cors_headers(response: httpx.Response, request_headers: Mapping[str, str]) -> httpx.Response:
    """Allow pages of any origin to read a response, as the service does. Return the response."""
    if "origin" in request_headers:
        requested_headers = request_headers.get("access-control-request-headers", "*")
        response.headers["access-control-allow-origin"] = "*"
        response.headers["access-control-allow-methods"] = "*"
        response.headers["access-control-allow-headers"] = requested_headers
        response.headers["access-control-expose-headers"] = "*"
    return response


async def _answer_served(mock: OpenAIMock, request: httpx.Request) -> httpx.Response:
    """Return the response of a mock to a request.

    A network fault becomes a response whose connection breaks. A mistake of the test becomes an error response that the
    SDKs don't retry.
    """
    _ended_in_fault.set(False)
    try:
        return await mock.router.async_handler(request)
    except (Exception, MockError) as error:
        if not _ended_in_fault.get():
            return _mistake_response(error)
        if isinstance(error, httpx.TimeoutException):
            await _sleep(_client_timeout(request.headers))
        # the body breaks before its first byte, and the SDKs retry the status
        broken_stream = _PacedStream((), dataclasses.replace(_NO_DELAY, fail_after=0, fault=error), request)
        return _LazyResponse(502, headers=[(b"content-length", b"1")], stream=broken_stream)


_MAX_CLIENT_TIMEOUT = 10  # seconds; a longer timeout of a client is not waited for


def _client_timeout(headers: Mapping[str, str]) -> float:
    """Return the seconds after which a client has given up, by the timeout that the SDKs send in a header.

    Return 0 if the timeout is longer than `_MAX_CLIENT_TIMEOUT`, or if there is no such header.
    """
    header = headers.get("x-stainless-read-timeout") or headers.get("x-stainless-timeout", "")
    if not re.fullmatch(r"\d+(\.\d+)?", header):
        return 0
    seconds = float(header)
    if seconds > _MAX_CLIENT_TIMEOUT:
        return 0
    return seconds + 1


async def _serve_lifespan(mock: OpenAIMock, scope: Any, receive: Any, send: Any) -> None:
    """Handle the start and the end of the server. The server is ready once the SDK is imported."""
    await receive()
    _find_row("POST", "/chat/completions")  # imports the SDK, so that the first call is not slow
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def _serve_websocket(mock: OpenAIMock, scope: Any, receive: Any, send: Any) -> None:
    """Answer a WebSocket connection with the kind of session that a client in this process gets."""
    await receive()
    key_mock = mock.for_key(_request_api_key(_request_headers(scope)))
    try:
        result = await _open_session(key_mock.router, _ASGIRequest(key_mock, "WS", scope), _await_if_needed)
    except (Exception, MockError) as error:
        key_mock._add_mistake(error, f"WS {scope['path']}")
        result = _mistake_response(error)
    if not isinstance(result, httpx.Response):
        subprotocols = {"realtime"}.intersection(scope.get("subprotocols", ()))
        await send({"type": "websocket.accept", "subprotocol": next(iter(subprotocols), None)})
        await _exchange_messages(_ASGIWebSocketServer(result), receive, send)
    elif "websocket.http.response" in (scope.get("extensions") or {}):
        await _send(result, receive, lambda message: send({**message, "type": f"websocket.{message['type']}"}))
    else:
        await send({"type": "websocket.close"})
    _enforce_limits(key_mock)


_SCOPE_HANDLERS = {
    "http": _serve_http,
    "lifespan": _serve_lifespan,
    "websocket": _serve_websocket,
}


def _request_api_key(headers: Mapping[str, str]) -> str:
    """Return the API key of a request, or "". A browser sends the key of a WebSocket as one of its subprotocols."""
    key = headers.get("authorization", "").removeprefix("Bearer ") or headers.get("api-key", "")
    if key:
        return key
    match = re.search(r"openai-insecure-api-key\.([^\s,]+)", headers.get("sec-websocket-protocol", ""))
    return match[1] if match else ""


def _request_headers(scope: Any) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


class _ASGIRequest(_LazyRequest):
    """A request to the server, converted to a request to the API. Its path may begin with `/v1`, or be one of Azure."""

    def __init__(self, mock: OpenAIMock, method: str, scope: Any, content: bytes = b"") -> None:
        path = re.sub("^/v1(?=/)", "", _request_path(scope))
        query = scope["query_string"].decode("latin-1")
        self.raw_url = mock._bases[0] + path
        if query:
            self.raw_url += f"?{query}"
        self.method = method
        self._content = content
        self.extensions = {}
        self.http_lib = httpx
        self.raw_headers = _interned_headers(tuple(map(tuple, scope["headers"])))


def _request_path(scope: Any) -> str:
    """Return the path of a request as it was sent, without the path where the application is mounted."""
    path = scope.get("raw_path") or quote(scope["path"]).encode()
    return path.decode("latin-1").partition("?")[0].removeprefix(quote(scope.get("root_path", "")))


async def _exchange_messages(server: _ASGIWebSocketServer, receive: Any, send: Any) -> None:
    """Pass messages to a session and its events to the client, in order, until one of them closes the connection."""
    import anyio

    message_received = anyio.Event()

    async def listen() -> None:
        while (message := await receive())["type"] == "websocket.receive":
            server.inbox.append(message.get("text") or message.get("bytes") or "")
            message_received.set()
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        while not server.broken:
            message_received = anyio.Event()
            processed = await _process_next(server)
            while server.outbox:
                await send(server.outbox.pop(0))
            if processed or server.broken:
                await anyio.sleep(0)
            else:
                await message_received.wait()
        group.cancel_scope.cancel()


async def _process_next(server: _ASGIWebSocketServer) -> bool:
    """Let a session process its next message. Return True if it did something. A mistake of the test closes it."""
    try:
        return await server.process_next(_await_if_needed)
    except (Exception, MockError) as error:
        _mistake_response(error)
        server.close(1011, str(error))
        return True


def _mistake_response(error: BaseException) -> httpx.Response:
    """Convert a mistake of the test to an error response. Log it with its traceback unless it is an assertion."""
    import logging

    if isinstance(error, MockError) and error.__cause__:
        error = error.__cause__
    if not isinstance(error, AssertionError):  # the mistake may be in the code of the test
        logging.getLogger("openai_responses").error("%s", error, exc_info=error)
    status = 404 if isinstance(error, AllMockedAssertionError) else 500
    return _server_error(status, str(error), "mock_error")


def _server_error(status: int, message: str, type: str = "invalid_request_error") -> httpx.Response:
    """Build an error response of the server itself, which the SDKs don't retry."""
    envelope = _ServiceError(status, message, type=type).envelope
    return httpx.Response(status, json={"error": envelope}, headers={"x-should-retry": "false"})


_MAX_CLOSE_REASON = 123  # bytes; a longer reason does not fit into a close frame


class _ASGIWebSocketServer(_WebSocketServer):
    """The server's end of a WebSocket connection whose frames the ASGI server reads and writes.

    Messages of the client are put into `inbox`. After each step, the messages to send are in `outbox`.
    """

    def __init__(self, session: _SocketSession) -> None:
        self.session = session
        self.broken = False
        self.inbox: collections.deque[Any] = collections.deque()
        self.outbox: list[_JSON] = []

    def _is_closed(self) -> bool:
        return self.broken

    def _send(self, event: Any) -> None:
        if event is None:  # an ASGI application cannot break a connection, so the close code reports a failure
            event = 1011
        if isinstance(event, int):
            event = _Close(event)
        if isinstance(event, _Close):
            self.close(event.code, event.reason)
        else:
            self.outbox.append({"type": "websocket.send", "text": _encode_message(event).decode()})

    def close(self, code: int, reason: str) -> None:
        self.broken = True
        short_reason = reason.encode()[:_MAX_CLOSE_REASON].decode(errors="ignore")
        self.outbox.append({"type": "websocket.close", "code": code, "reason": short_reason})


async def _send(response: httpx.Response, receive: Any, send: Any) -> None:
    """Send a response. A stream is sent piece by piece, as the pieces are produced."""
    headers = [(name.lower(), value) for name, value in response.headers.raw]
    # the ASGI server sets the transfer encoding itself
    headers = [(name, value) for name, value in headers if name != b"transfer-encoding"]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    if isinstance(response.stream, httpx.ByteStream):
        await send({"type": "http.response.body", "body": b"".join(response.stream)})
    else:
        await _send_stream(response.stream, receive, send)


async def _send_stream(stream: Any, receive: Any, send: Any) -> None:
    """Send a stream until it ends or the client disconnects. Raises the fault that the stream ends with."""
    import anyio

    fault = None

    async def cancel_on_disconnect() -> None:
        await receive()  # the only message after the body is that the client disconnected
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(cancel_on_disconnect)
        try:
            async for piece in stream:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                await anyio.sleep(0)  # lets other tasks run, and lets this one notice a disconnected client
            await send({"type": "http.response.body"})
        except Exception as error:  # raised below, because the task group would wrap it in an exception group
            fault = error
            # without this message, granian would send a 500 instead of breaking the connection
            await send({"type": "http.response.body", "body": b"", "more_body": True})
        group.cancel_scope.cancel()
    await stream.aclose()
    if fault:
        raise fault


def _enforce_limits(mock: OpenAIMock) -> None:
    """Drop the oldest requests of a mock, and of the mock it is a copy of, beyond the limit of `records`."""
    for limited_mock in filter(None, (mock, mock._parent_mock)):
        logs = [limited_mock._request_log, limited_mock.router.calls]
        for endpoint in list(limited_mock._endpoints.values()):
            route = endpoint.__dict__.get("route")
            if route:
                logs.append(route.calls)
        for entries in logs:
            del entries[: max(len(entries) - limited_mock._limits["records"], 0)]


# The limits of a served mock.
_DEFAULT_LIMITS = {
    "keys": 100,  # API keys that have their own mock
    "records": 1000,  # requests in the request log of each mock
    "body": 512 * 2**20,  # bytes in the body of a request
}


# ---- control plane ---------------------------------------------------------------------------------------------------


_CONTROL_ERROR_STATUS = {
    AssertionError: 409,
    AttributeError: 404,
    TypeError: 400,
    ValueError: 400,
    RecursionError: 400,
    re.error: 400,
}


def _handle_control(server: OpenAIMock, key: str, scope: Any, path: str, content: bytes) -> httpx.Response:
    """Answer a request to the control plane.

    server: the mock that is served.
    key: the API key of the request, whose mock the request is about.
    path: the path below `/_mock`.
    """
    first, _, name = path[1:].partition("/")
    route_path = f"/{first}/{{endpoint}}" if name else path
    handler = _CONTROL_ROUTES.get((scope["method"], route_path))
    if handler is None:
        routes = ", ".join(f"{method} /_mock{path}" for method, path in _CONTROL_ROUTES)
        return _server_error(404, f"The control plane has no {scope['method']} /_mock{path}. Available: {routes}")
    query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
    try:
        result = handler(_ControlRequest(server, key, unquote(name), query, content))
    except tuple(_CONTROL_ERROR_STATUS) as error:
        status = next(status for error_type, status in _CONTROL_ERROR_STATUS.items() if isinstance(error, error_type))
        return _server_error(status, str(error))
    body = json.dumps(result, default=_json_fallback)
    return httpx.Response(200, content=body, headers={"content-type": "application/json"})


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class _ControlRequest:
    """A request to the control plane."""

    server: OpenAIMock  # the mock that is served
    key: str  # the API key whose mock the request is about, "" for the server's own
    name: str  # the endpoint in the path, "" without one
    query: Mapping[str, str]
    content: bytes

    @property
    def mock(self) -> OpenAIMock:
        return self.server.for_key(self.key)

    @property
    def endpoint(self) -> Endpoint:
        found = _resolve_name(self.mock, self.name)
        if not isinstance(found, Endpoint):
            available = ", ".join(_names_below(self.name))
            raise AttributeError(f"{self.name!r} is not an endpoint. Available: {available}")
        return found

    @property
    def body(self) -> Any:
        return _json_decode(self.content.decode())


def _json_fallback(value: Any) -> dict[str, str]:
    """Describe a value that JSON does not have, for `json.dumps`."""
    if isinstance(value, re.Pattern):
        return {"$pattern": value.pattern}
    return {"$python": _short_repr(value)}


def _reset_key(request: _ControlRequest) -> None:
    """Forget the mock of the request's key, so that the key starts again as a copy of the server's mock.

    Without a key, reset the server's mock.
    """
    if request.mock is request.server:
        request.server.reset()
    else:
        del request.server._key_mocks[request.key]


def _set_response(scripted: Scripted, value: Any) -> Any:
    """Set a response from its JSON form, and return the form that is now set."""
    scripted.response = _decode_value(value)
    for target in (scripted, *scripted._per_key_copies()):
        target._json_form = value
    return _response_json(scripted)


def _all_responses(mock: OpenAIMock) -> _JSON:
    """Return the JSON forms of all responses that are set, by endpoint."""
    return {name: _response_json(endpoint) for name, endpoint in mock._endpoints.items() if endpoint._script}


def _rule_json(rule: Rule) -> _JSON:
    """Return the JSON form of a rule: its conditions, its response and its number of calls."""
    when = {}
    if rule._condition is not None:
        when["what"] = rule._condition
    if rule._tool_result is not None:
        when["tool_result"] = rule._tool_result
    when.update(rule._subset)
    return {
        "when": when,
        "response": _response_json(rule),
        "optional": rule.optional,
        "call_count": rule.call_count,
    }


def _response_json(scripted: Scripted) -> Any:
    """Return a response in the JSON form that set it. One set in Python is returned as it is, for `_json_fallback`."""
    if scripted._json_form is not None:
        return scripted._json_form
    return scripted.response


def _remove_rules(request: _ControlRequest) -> None:
    """Remove the rule that a request describes. Without a body, remove all rules of the endpoint."""
    if request.content:
        _find_or_add_rule(request).remove()
        return
    for rule in list(request.endpoint._rules):
        rule.remove()


def _find_or_add_rule(request: _ControlRequest) -> Rule:
    """Return the rule with the conditions of a request: `{"when": {"what": "weather", "model": "gpt-6-sol"}}`.

    Raises `ValueError` if the body does not have this form.
    """
    body = request.body
    if not isinstance(body, dict) or not isinstance(body.get("when"), dict):
        raise ValueError(f'the rule is {_short_repr(body)}; expected {{"when": {{...}}, "response": ...}}')
    conditions = {name: _decode_value(value) for name, value in body["when"].items()}
    return request.endpoint.when(conditions.pop("what", None), **conditions)


def _decode_value(value: Any) -> Any:
    """Convert the JSON form of a response or a condition to Python: `{"$error": 429}` to `error(429)`.

    Raises `ValueError` for an unknown form, and `TypeError` for wrong arguments of a form.
    """
    if isinstance(value, list):
        return [_decode_value(item) for item in value]
    if not isinstance(value, dict) or len(value) != 1:
        return value
    key, arguments = next(iter(value.items()))
    if not key.startswith("$"):
        return value
    builder = _VALUE_BUILDERS.get(key[1:])
    if builder is None:
        forms = [f"${name}" for name in _VALUE_BUILDERS]
        raise ValueError(f"unknown form {key!r}.{_did_you_mean(key, forms)} Available: {', '.join(forms)}")
    if isinstance(arguments, dict):
        return builder(**{name: _decode_value(item) for name, item in arguments.items()})
    return builder(_decode_value(arguments))


_RECORD_FIELDS = (
    "endpoint",
    "method",
    "path",
    "query",
    "params",
    "body",
    "headers",
    "attempt",
    "status",
    "started",
    "duration",
)


def _find_records(request: _ControlRequest) -> list[_JSON]:
    """Return the records of the request log, as JSON, that match the query of a request.

    The query compares fields of a record, else fields of the recorded request's body, path parameters or query.
    """
    found = []
    for record in request.mock.requests:
        fields = _record_json(record)
        searched_fields = {**fields["query"], **fields["params"], **fields["body"], **fields}
        if all(_matches_value(text, searched_fields.get(name)) for name, text in request.query.items()):
            found.append(fields)
    return found


def _record_json(record: Record) -> _JSON:
    """Return a record as JSON."""
    fields = {name: getattr(record, name) for name in _RECORD_FIELDS}
    fields["answered_by"] = str(record.answered_by or "default")
    return fields


def _server_health(request: _ControlRequest) -> _JSON:
    """Return the status and the version of the server, and the number of API keys with their own mock."""
    return {
        "status": "ok",
        "version": __version__,
        "keys": len(request.server._key_mocks),
    }


def _set_rule(request: _ControlRequest) -> Any:
    """Set the response of the rule that a request describes, and return its JSON form."""
    rule = _find_or_add_rule(request)
    rule.optional = request.body.get("optional", False)
    return _set_response(rule, request.body.get("response"))


# The routes below `/_mock`: method, path, and the function that handles the request and returns the answer as JSON.
_CONTROL_ROUTES: Mapping[tuple[str, str], Callable[[_ControlRequest], Any]] = {
    ("GET", "/health"): _server_health,
    ("GET", "/responses"): lambda request: _all_responses(request.mock),
    ("GET", "/responses/{endpoint}"): lambda request: _response_json(request.endpoint),
    ("PUT", "/responses/{endpoint}"): lambda request: _set_response(request.endpoint, request.body),
    ("DELETE", "/responses/{endpoint}"): lambda request: delattr(request.endpoint, "response"),
    ("GET", "/rules/{endpoint}"): lambda request: [_rule_json(rule) for rule in request.endpoint._rules],
    ("PUT", "/rules/{endpoint}"): _set_rule,
    ("DELETE", "/rules/{endpoint}"): _remove_rules,
    ("GET", "/requests"): _find_records,
    ("DELETE", "/requests"): lambda request: request.mock._request_log.clear(),
    ("POST", "/reset"): _reset_key,
    ("POST", "/assert_all_used"): lambda request: request.mock.assert_all_used(),
}


# ---- `python -m openai_responses`, and the fixture `openai_server` ---------------------------------------------------


def _main(arguments: Sequence[str] | None = None) -> None:
    """Serve a mock until the process is stopped. Print the URL, on its own line, once the server is ready."""
    import signal

    options = _parse_arguments(arguments)
    server = _uvicorn_server(_mock_from_options(options))
    listener = _listen_at(options.host, options.port)
    # exit at once: there is nothing to save, and these signals have no default handler in a container
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, lambda *_: os._exit(0))
    server.capture_signals = contextlib.nullcontext
    _on_startup(server, lambda: print(f"{_root_url(listener, options.host)}/v1", flush=True))
    server.run([listener])


_LIMIT_HELP = {
    "keys": "maximum number of API keys with their own mock",
    "records": "maximum number of requests in a request log",
    "body": "maximum size of a request body in bytes",
}


def _parse_arguments(arguments: Sequence[str] | None) -> Any:
    """Parse the command line. Raises `SystemExit` for invalid arguments."""
    import argparse

    description = "Serve a mock of the OpenAI API, and print its URL."
    parser = argparse.ArgumentParser("python -m openai_responses", description=description)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: %(default)s, which only this machine can reach)",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=0,
        help="port to listen on (default: 0, any free port)",
    )
    parser.add_argument(
        "--script",
        metavar="FILE",
        help="Python file that defines set_up(openai_mock), or an OpenAIMock named openai_mock",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="also reject requests that the service rejects but tests often send, such as unknown models",
    )
    parser.add_argument(
        "--only-scripted",
        action="store_true",
        help="fail calls for which the mock would have to make up the output of a model",
    )
    for name, limit_help in _LIMIT_HELP.items():
        parser.add_argument(
            f"--{name}",
            type=_non_negative_int,
            help=f"{limit_help} (default: {_DEFAULT_LIMITS[name]})",
        )
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    return _parse_int(text, 2**16, "a port from 0 to 65535")


def _non_negative_int(text: str) -> int:
    return _parse_int(text, sys.maxsize, "a non-negative integer")


def _parse_int(text: str, end: int, expected: str) -> int:
    """Parse an integer from 0 to `end` - 1 for argparse. Raises `ArgumentTypeError` for anything else."""
    import argparse

    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number < end:
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return number


def _mock_from_options(options: Any) -> OpenAIMock:
    """Build the mock that the command line describes. Its options override the settings of the script."""
    script_globals: _JSON = {}
    if options.script:
        script_globals = _load_script(options.script)
    mock = script_globals.get("openai_mock") or OpenAIMock()
    mock._strict = mock._strict or options.strict
    mock._only_scripted = mock._only_scripted or options.only_scripted
    for name in _DEFAULT_LIMITS:
        number = getattr(options, name)
        if number is not None:
            mock._limits[name] = number
    if set_up := script_globals.get("set_up"):
        set_up(mock)
    return mock


def _load_script(path: str) -> _JSON:
    """Run a script and return its globals. Raises `SystemExit` if it defines neither a mock nor `set_up`."""
    import runpy

    try:
        script_globals = runpy.run_path(path)
    except OSError as error:
        sys.exit(f"--script {path}: {error.strerror}")
    if not (callable(script_globals.get("set_up")) or isinstance(script_globals.get("openai_mock"), OpenAIMock)):
        sys.exit(f"--script {path}: expected the script to define set_up(openai_mock) or openai_mock = OpenAIMock(...)")
    return script_globals


_mount_numbers = itertools.count(1)


_mounted_mocks: dict[str, OpenAIMock] = {}  # the mocks of the running tests, by the first segment of the path


@contextlib.contextmanager
def _serve_in_thread(mock: OpenAIMock) -> Iterator[Server]:
    """Serve a mock below its own path. All mocks share one server thread, because starting and ending one is slow."""
    name = f"mock-{next(_mount_numbers)}"
    _mounted_mocks[name] = mock
    try:
        yield Server(mock, f"{_server_thread_url()}/{name}/v1")
    finally:
        del _mounted_mocks[name]


@functools.cache
def _server_thread_url() -> str:
    """Start the server thread of this process, and return its URL. Raises `RuntimeError` if it does not start."""
    server = _uvicorn_server(_serve_mounted, lifespan="off")
    ready = threading.Event()
    listener = _listen_at("127.0.0.1", 0)
    _on_startup(server, ready.set)
    threading.Thread(target=server.run, args=([listener],), daemon=True).start()
    if not ready.wait(60):
        raise RuntimeError("the server did not start within 60 seconds")
    return _root_url(listener, "127.0.0.1")


def _uvicorn_server(app: Any, **settings: Any) -> Any:
    """Build a `uvicorn` server that logs nothing. Raises `SystemExit` if `uvicorn` is not installed."""
    try:
        import uvicorn
    except ImportError:
        sys.exit("the server needs uvicorn: pip install 'openai-responses[server]'")
    return uvicorn.Server(uvicorn.Config(app, log_config=None, log_level="critical", access_log=False, **settings))


async def _serve_mounted(scope: Any, receive: Any, send: Any) -> None:
    """Pass a request to the mock that the first segment of its path names."""
    name = scope["path"].split("/")[1]
    await _mounted_mocks[name]({**scope, "root_path": f"/{name}"}, receive, send)


def _listen_at(host: str, port: int) -> Any:
    """Return a listening socket. Raises `SystemExit` if the address cannot be used."""
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        sys.exit(f"cannot listen on {host}:{port}: {error}. Use another --port, or 0 for any free port")
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit this option
    return listener


def _on_startup(server: Any, callback: Callable[[], None]) -> None:
    """Call a function once a server is ready to answer."""
    startup = server.startup

    async def startup_and_notify(sockets: Any) -> None:
        await startup(sockets)
        callback()

    server.startup = startup_and_notify


def _root_url(listener: Any, host: str) -> str:
    """Return the URL of a listening socket, without a path. An IPv6 address is in brackets."""
    if ":" in host:
        host = f"[{host}]"
    return f"http://{host}:{listener.getsockname()[1]}"


# ======================================================================================================================
# PUBLIC API: what tests use
# ======================================================================================================================


# ---- exceptions ------------------------------------------------------------------------------------------------------


class MockError(BaseException):
    """A mistake in a test, wrapped so that the SDK's client doesn't retry it.

    Before openai 3.15, the client retries after every `Exception` of its transport. The mock raises a `MockError` instead,
    and the client's call raises the original exception, which is the `__cause__` of the `MockError`. You see the
    `MockError` itself only if a `MockTransport` answers while no mock is active.
    """


class RequestNotMocked(AllMockedAssertionError):
    """The error of a request that the mock can't answer, because the API has no such path or the host isn't the API's.

        import pytest

        with pytest.raises(RequestNotMocked, match="would reach the network"):
            openai.OpenAI(api_key="sk-fake", base_url="https://example.com/v1").models.list()

    It is an `AssertionError`, and the client doesn't retry it. The message has the closest path, or says how to mock
    requests to the host.
    """


# ---- builders --------------------------------------------------------------------------------------------------------


def tool_call(name: str, arguments: Any = None, id: str | None = None, /, **kwargs: Any) -> Turn:
    """Return a turn in which the model calls a tool. Join turns with `+` for parallel calls or text with a call.

        create.response = [tool_call("get_weather", city="Tokyo"), "It is sunny in Tokyo."]
        create.response = tool_call("get_weather", city="Oslo") + tool_call("get_time", city="Oslo")  # in parallel
        create.response = tool_call("get_weather", "{broken")  # invalid JSON

    name: the name of the tool. If the request offers a custom tool of this name, the turn calls that one, and the arguments
        are its input.
    arguments: a dict, a pydantic model, or a str that is sent unchanged. Use it or keyword arguments.
    id: the ID of the call, such as `"call_1"`. It is generated by default.
    kwargs: the arguments by name.
    Raises `TypeError` for both `arguments` and keyword arguments, and `ValueError` for arguments that are not valid JSON.
    """
    if arguments is not None and kwargs:
        raise TypeError(f"tool_call({name!r}, ...): pass the arguments as a dict or as keywords, not both")
    value = kwargs if arguments is None else arguments
    if isinstance(value, str):
        return Turn(tool_calls=(ToolCall(name, value, id, True),))
    text = json.dumps(_to_json(value, f"tool_call({name!r})"), ensure_ascii=False)
    return Turn(tool_calls=(ToolCall(name, text, id, False),))


def refusal(text: str = "I'm sorry, I can't help with that.") -> Turn:
    """Return a turn in which the model refuses to answer.

        create.response = refusal("I'd rather not.")
        completion = client.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": "Hi"}])
        assert completion.choices[0].message.refusal

    text: the text of the refusal. Chat completions have it as `message.refusal`, responses as a content part of type
        `refusal`.
    """
    return Turn(refusal=text)


def cut(text: str = "") -> Turn:
    """Return a turn that the token limit cut off.

        create.response = cut("It all began when")
        completion = client.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": "Hi"}])
        assert completion.choices[0].finish_reason == "length"

    text: the text up to the limit. Chat completions have the finish reason `length`, responses the status `incomplete`.
    """
    return Turn(text=text, stop="length")


def filtered(text: str = "") -> Turn:
    """Return a turn that the content filter stopped.

        create.response = filtered("Take a")
        completion = client.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": "Hi"}])
        assert completion.choices[0].finish_reason == "content_filter"

    text: the text before the filter stopped it. Chat completions have the finish reason `content_filter`, responses the
        status `incomplete`.
    """
    return Turn(text=text, stop="content_filter")


def reasoning(text: str) -> Turn:
    """Return a turn with the model's reasoning only; add the answer with `+`.

        create.response = reasoning("Two and two make four.") + "4"

    text: the reasoning. Responses have it as an output item of type `reasoning`. Chat completions only count its tokens, in
        `usage`. Runs don't show it.
    """
    return Turn(reasoning=text)


def cited(text: str, *, url: str | None = None, title: str = "", file_id: str | None = None) -> Turn:
    """Return a turn with a text and a citation of its source, which is a web page or a file.

        create.response = "Bring an umbrella: " + cited("it rains", url="https://example.com/rain", title="Rain")

    text: the text that the citation covers.
    url: the URL of the page.
    title: the title of the page, or the name of the file. A file in the state needs no title.
    file_id: the ID of the file. Use either `url` or `file_id`.
    Raises `TypeError` for neither or both of `url` and `file_id`.
    """
    if (url is None) is (file_id is None):
        raise TypeError(f"cited({text!r}, ...) needs one source: url= or file_id=")
    return Turn(text, citations=(Citation(0, len(text), url, title, file_id),))


def as_json(value: Any) -> Turn:
    """Return a turn with a value as JSON, for requests with structured output or with a forced tool call.

        create.response = as_json({"city": "Oslo", "degrees": 7})

    value: a dict, a list, a pydantic model or any other value that JSON can express. It becomes the text of the message,
        or the arguments of the call that the request forces.
    Raises `ValueError` for a value that JSON can't express.
    """
    return Turn(json.dumps(_to_json(value, "as_json(...)"), ensure_ascii=False), structured=True)


def reply(*parts: Any, headers: Mapping[str, str] | None = None) -> Reply:
    """Return one answer of several parts, in order, with headers of its own.

        create.response = reply("It rains.", {"usage": {"prompt_tokens": 7}})
        create.response = reply("Hi", headers={"x-ratelimit-remaining-requests": "3"})
        create.response = tool_call("get_weather", city="Oslo") + {"model": "gpt-6-sol"}  # the same as reply(...)

    parts: a text, the result of a builder such as `tool_call(...)`, an item of a response (a dict with its `type`), or
        any other dict with fields of the answer. An item or fields may also be a model of the SDK, and any other pydantic
        model is JSON that the model outputs. Without parts, the answer is the default.
    headers: headers of the answer, in addition to those that the API sends. A header that is given replaces that of the
        API.
    Raises `TypeError` for a part or a header of another type.
    """
    flat_parts: list[Any] = []
    all_headers: dict[str, str] = {}
    for part in parts:
        if not _is_part(part):
            raise TypeError(
                f"reply(...) cannot have the part {_safe_repr(part)}; a part is a text, a builder such as tool_call(...), "
                "an item with its type, or a dict with fields of the answer"
            )
        if isinstance(part, Reply):
            flat_parts += part.parts
            all_headers.update(part.headers)
        else:
            flat_parts.append(part)
    for name, value in (headers or {}).items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"reply(..., headers=...) has {name!r}: {value!r}; expected a str for each")
        all_headers[name] = value
    return Reply(tuple(flat_parts), all_headers)


Answer = Any  # the type of `.response`, for annotations; the stubs define it in full


# Fields of the API's errors by status: type, message, code.
_ERROR_DEFAULTS: Mapping[int, tuple[str | None, str, str | None]] = {
    400: ("invalid_request_error", "The request was invalid.", None),
    401: ("invalid_request_error", "Incorrect API key provided.", "invalid_api_key"),
    403: ("invalid_request_error", "You are not allowed to do this.", None),
    404: ("invalid_request_error", "The requested resource does not exist.", None),
    408: ("server_error", "The request timed out.", None),
    409: ("invalid_request_error", "The resource is being changed by another request.", None),
    422: ("invalid_request_error", "The request could not be processed.", None),
    429: ("requests", "Rate limit reached.", "rate_limit_exceeded"),
    500: ("server_error", "The server had an error while processing your request.", None),
    503: ("server_error", "The engine is currently overloaded.", None),
}


# Fields of the API's errors by code, which override those of the status: type, message. Codes are left out if their type
# is that of the status, and if their message names something of the request, such as the model.
_ERROR_DEFAULTS_BY_CODE: Mapping[str | None, tuple[str | None, str]] = {
    "account_deactivated": (
        "invalid_request_error",
        "The OpenAI account associated with this API key has been deactivated. If you are the owner of this account and "
        "need assistance, please contact us through our help center at help.openai.com.",
    ),
    "billing_not_active": (
        "billing_not_active",
        "Your account is not active, please check your billing details on our website.",
    ),
    # of Azure, which sends no type
    "content_filter": (
        None,
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify "
        "your prompt and retry. To learn more about our content filtering policies please read our documentation: "
        "https://go.microsoft.com/fwlink/?linkid=2198766",
    ),
    "context_length_exceeded": (
        "invalid_request_error",
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
    ),
    "insufficient_quota": (
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details. For more information on this error, "
        "read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
    ),
    "invalid_prompt": (
        "invalid_request_error",
        "Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a "
        "different prompt: https://platform.openai.com/docs/guides/reasoning#advice-on-prompting",
    ),
    # the service adds the ID of the request
    "moderation_blocked": (
        "image_generation_user_error",
        "Your request was rejected by the safety system.",
    ),
    "server_is_overloaded": (
        "service_unavailable_error",
        "Our servers are currently overloaded. Please try again later.",
    ),
    "unsupported_country_region_territory": (
        "request_forbidden",
        "Country, region, or territory not supported",
    ),
}


_RETRIED_STATUSES = (408, 409, 429)  # and all from 500 on


def error(
    status: int,
    message: str | None = None,
    *,
    code: str | None = None,
    type: str | None = None,
    param: str | None = None,
    retry_after: float | None = None,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """Return an error response of the API. The SDK raises it as `RateLimitError` (429), `BadRequestError` (400) etc.

        create.response = [error(429), "Here I am."]  # the client retries, and gets the text
        create.response = error(400, "Too long.", code="context_length_exceeded", param="messages")

    status: the HTTP status, 400 to 599.
    message, code, type: fields of the error. They default to the API's own for the status, such as the code
        `rate_limit_exceeded` for 429. The type and the message of some codes, such as `insufficient_quota`, are the API's
        own too.
    param: the parameter that the error is about. `None` by default.
    retry_after: seconds that the SDK waits before it retries 408, 409, 429, and 500 and above. They are sent as
        `retry-after-ms`, and in whole seconds as `retry-after`. By default the SDK waits 0.001 seconds, so that retries
        don't slow tests down, and there is no `retry-after`.
    headers: response headers, in addition to those that the API sends. A header that is given replaces that of the API.
        With `retry-after` or `retry-after-ms`, neither of them is added.
    Raises `ValueError` for any other status.
    """
    if not isinstance(status, int) or not 400 <= status <= 599:
        raise ValueError(f"error() needs a status between 400 and 599, got {status!r}")
    fallback = _ERROR_DEFAULTS[500 if status > 500 else 400]
    default_type, default_message, default_code = _ERROR_DEFAULTS.get(status, fallback)
    if code in _ERROR_DEFAULTS_BY_CODE:
        default_type, default_message = _ERROR_DEFAULTS_BY_CODE[code]
    envelope = {
        "message": message or default_message,
        "type": type or default_type,
        "param": param,
        "code": code or default_code,
    }
    response_headers = httpx.Headers(headers)
    is_retried = status in _RETRIED_STATUSES or status >= 500
    if is_retried and "retry-after" not in response_headers and "retry-after-ms" not in response_headers:
        response_headers.update(_retry_headers(retry_after))
    return _ErrorResponse(status, json={"error": envelope}, headers=response_headers)


def _retry_headers(retry_after: float | None) -> dict[str, str]:
    """Return the headers that tell a client how many seconds to wait before it retries, by default a millisecond."""
    if retry_after is None:
        return {"retry-after-ms": "1"}
    # `retry-after` is a whole number, which clients may parse as an `int`; the SDK prefers `retry-after-ms`
    return {"retry-after-ms": f"{retry_after * 1000:.15g}", "retry-after": f"{math.ceil(retry_after)}"}


class _ErrorResponse(httpx.Response):
    """The result of `error()`, with a repr and comparison by value."""

    def __repr__(self) -> str:
        fields = self.json()["error"]
        return f"error({self.status_code}, {fields['message']!r}, code={fields['code']!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ErrorResponse) and self._comparable == other._comparable

    def __hash__(self) -> int:
        return hash(self.content)

    @property
    def _comparable(self) -> tuple[Any, ...]:
        return self.status_code, self.content, self.headers


def timeout() -> Exception:
    """Return an exception that makes the request time out.

        create.response = [timeout(), "Here I am."]  # the client retries, and gets the text

    The SDK retries it, without a pause while a mock is active. After the last retry it raises `APITimeoutError`.
    """
    return _MockTimeout("the mock timed out")


class _MockTimeout(httpx.ReadTimeout):
    """The result of `timeout()`, with a repr and comparison by value."""

    def __repr__(self) -> str:
        return "timeout()"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _MockTimeout)

    def __hash__(self) -> int:
        return hash(_MockTimeout)


@dataclasses.dataclass(frozen=True)
class Streamed:
    """The result of `streamed()`: a response and the pace at which it arrives.

    value: the response, or the events.
    pace: the pace.
    """

    value: Any
    pace: Pace


def streamed(
    value: Any,
    *,
    chunk: int | None = None,
    delay: float = 0,
    first_delay: float | None = None,
    fail_after: int | None = None,
    fault: Any = None,
    stop_after: int | None = None,
) -> Streamed:
    """Set how a response arrives when it is streamed, or set the events of the stream one by one.

        create.response = streamed("Hello there", chunk=3, delay=0.01)
        create.response = streamed("Hello there", fail_after=2)  # the connection breaks
        create.response = streamed("Hello there", fail_after=2, fault={"error": {"message": "overloaded"}})
        create.response = streamed([{"choices": [{"index": 0, "delta": {"content": "Hello"}}]}, "[DONE]"])

    value: anything that `.response` takes, or a list, a generator or a generator function of events. An event is a model, a
        dict, or a pair of event name and data.
    chunk: the number of characters in a piece of text. By default a piece is a word.
    delay: seconds before each event. 0 by default.
    first_delay: seconds before the first event, `delay` by default. It also delays a response that isn't streamed. A
        client whose read timeout is shorter than a delay times out.
    fail_after: the number of events that arrive before the fault.
    fault: the fault. A network exception is raised, a str is sent as an event that is not valid JSON, a dict is sent as
        an event, such as an error, and an int is the code that a WebSocket closes with. By default the connection breaks.
    stop_after: the number of events that arrive before the stream ends early, as if it were complete. The SDK doesn't
        report this.
    Raises `ValueError` for a negative number, a `chunk` of 0, a `fault` without `fail_after`, and both `fail_after` and
        `stop_after`. Raises `TypeError` for a `fault` of another type.
    """
    numbers = {
        "chunk": chunk,
        "delay": delay,
        "first_delay": first_delay,
        "fail_after": fail_after,
        "stop_after": stop_after,
    }
    for name, number in numbers.items():
        minimum = 1 if name == "chunk" else 0
        if number is not None and number < minimum:
            raise ValueError(f"streamed(..., {name}={number!r}): expected {minimum} or more")
    if fault is not None and fail_after is None:
        raise ValueError(
            "streamed(..., fault=...) needs fail_after=, the number of events that arrive before the fault"
        )
    if not (fault is None or _is_exception(fault) or isinstance(fault, (str, bytes, int, Mapping))):
        raise TypeError(
            f"streamed(..., fault={_safe_repr(fault)}): expected a network exception, a str, a dict or the code that a "
            "WebSocket closes with"
        )
    if isinstance(fault, Mapping):
        _to_json(fault, "streamed(...): fault")
    if stop_after is not None:
        if fail_after is not None:
            raise ValueError("streamed(...) takes either fail_after= or stop_after=, not both")
        fail_after = stop_after
        fault = b""  # sent in place of the next event, so that the stream ends without an error
    if first_delay is None:
        first_delay = delay
    return Streamed(value, Pace(chunk, first_delay, delay, fail_after, fault))


_RESPONSE_BUILDERS: dict[str, Callable[..., Any]] = {
    builder.__name__: builder
    for builder in (tool_call, refusal, cut, filtered, reasoning, cited, as_json, reply, error, timeout, streamed)
}

# Values that JSON can't express: `{"$error": 429}`, `{"$tool_call": {"name": "get_weather", ...}}`. An object contains the
# arguments by name; anything else is the only argument.
_VALUE_BUILDERS: Mapping[str, Callable[..., Any]] = _RESPONSE_BUILDERS | {
    "tool_call": lambda name, arguments=None, id=None: tool_call(name, arguments, id),
    "join": lambda parts: functools.reduce(operator.add, parts),
    "reply": lambda parts, headers=None: reply(*parts, headers=headers),
    "bytes": base64.b64decode,
    "pattern": re.compile,
    "default": lambda: ...,
}


# ---- event streams as classes ----------------------------------------------------------------------------------------


_EventT = TypeVar("_EventT")


class EventStream(httpx.SyncByteStream, httpx.AsyncByteStream, Generic[_EventT]):
    """A stream of events as a class. Subclass it and override `generate`.

        class Greeting(EventStream):
            def generate(self):
                yield {"choices": [{"index": 0, "delta": {"content": "Hello"}}]}

        create.response = Greeting()

    Set an instance as the response, or an `httpx.Response` with the instance as its content. Each call gets the events from
    the start.
    """

    def generate(self) -> Iterator[_EventT]:
        """Yield the events in order: models of the SDK, dicts, or pairs of event name and data."""
        raise NotImplementedError(f"{type(self).__name__} must override generate()")

    def __iter__(self) -> Iterator[bytes]:
        for event in self.generate():
            yield _encode_event(_to_event(event))

    async def __aiter__(self) -> Any:
        for event in self.generate():
            yield _encode_event(_to_event(event))


class AsyncEventStream(EventStream[_EventT]):
    """An `EventStream` with an asynchronous generator. Subclass it and override `agenerate`.

        class Greeting(AsyncEventStream):
            async def agenerate(self):
                yield {"choices": [{"index": 0, "delta": {"content": "Hello"}}]}

        create.response = Greeting()

    Synchronous clients can read it too.
    """

    async def agenerate(self) -> AsyncIterator[_EventT]:
        """Yield the events in order: models of the SDK, dicts, or pairs of event name and data."""
        raise NotImplementedError(f"{type(self).__name__} must override agenerate()")
        yield

    def __iter__(self) -> Iterator[bytes]:
        for event in _to_sync_iterator(self.agenerate()):
            yield _encode_event(_to_event(event))

    async def __aiter__(self) -> Any:
        async for event in self.agenerate():
            yield _encode_event(_to_event(event))


# ---- the state store -------------------------------------------------------------------------------------------------


class StateStore(collections.UserDict):
    """The objects that a mock stores, as JSON: a dict by resource name, of dicts by ID.

        store = StateStore()
        store["models"]["ft:mine"] = {"id": "ft:mine", "object": "model", "created": 0, "owned_by": "me"}
        assert store.models.get("ft:mine").owned_by == "me"
        store.models.put(store.models.get("ft:mine"))  # a model of the SDK
        store.beta.threads.messages.list("thread_1")

    `store["files"]` has plain dicts, and `store.files` has the same objects as models of the SDK. A child object, such as a
    message of a thread, has a tuple of IDs as its key, parents first.

    data: the initial objects, as such a dict. The store keeps its objects in this dict and doesn't copy it. Several mocks
        can share one dict or one store.
    Raises `TypeError` for values that are not objects of the resource, and `KeyError` for an unknown resource.
    """

    lock = threading.RLock()  # one for all stores, because two stores may use the same dict

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        self.data: dict[str, Any] = data if isinstance(data, dict) else dict(data or {})
        for resource in self:
            _check_objects(resource, self.data[resource])

    def __missing__(self, resource: str) -> dict[Any, Any]:
        _check_resource_name(resource)
        return self.data.setdefault(resource, {})

    def __iter__(self) -> Iterator[str]:
        return (resource for resource in self.data if resource != "service")

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "data":
            raise AttributeError(name)
        return Objects(self, name)

    def __dir__(self) -> list[str]:
        dict_methods = [name for name in dir(dict) if not name.startswith("_")]
        return sorted({*_child_names(_all_resources(), ""), *dict_methods})

    def __repr__(self) -> str:
        counts = {name: len(objects) for name, objects in self.items()}
        return f"StateStore({counts})"

    @property
    def _store_metadata(self) -> _StoreMetadata:
        """The metadata of all objects. It is stored in the dict itself, so that stores with the same dict share it."""
        return self.data.get("service") or self.data.setdefault("service", _StoreMetadata())

    def _get_metadata(self, resource: str, key: Any) -> _Metadata | None:
        """Return the metadata of an object or a list, or None if it has none. Use `_ensure_metadata` to create it."""
        return self._store_metadata.by_key.get((resource, key))

    def _ensure_metadata(self, resource: str, key: Any) -> _Metadata:
        """Return the metadata of an object, or of a list by the tuple of its parents' IDs. Create it if there is none."""
        return self._store_metadata.by_key.setdefault((resource, key), _Metadata())

    def _new_id(self, prefix: str) -> str:
        """Return the next ID, which depends on the earlier calls only. `_insert_object` skips IDs that a test used."""
        with self.lock:
            counters = self._store_metadata.id_counters
            counters[prefix] += 1
            return f"{prefix}{counters[prefix]:024d}"

    def _children(self, resource: str, *parents: str) -> dict[Any, dict[str, Any]]:
        """Return the child objects of the parents by key, in order."""
        depth = len(parents) - 1
        last = parents[-1]
        objects = self[resource].items()
        return {key: obj for key, obj in objects if key[depth] == last and key[:-1] == parents}


if hasattr(os, "register_at_fork"):  # a thread that doesn't exist in the child process may have held the lock
    os.register_at_fork(after_in_child=lambda: setattr(StateStore, "lock", threading.RLock()))


class Objects:
    """The stored objects of one resource as models of the SDK.

        models = openai_mock.state.models
        models.put({"id": "ft:mine", "object": "model", "created": 0, "owned_by": "me"})
        assert models.get("ft:mine").owned_by == "me"
        assert models.delete("ft:mine")

    The attributes of a `StateStore` are such objects, and so are theirs: `openai_mock.state.beta.threads.messages`.
    """

    def __init__(self, store: StateStore, name: str) -> None:
        if not any(key == name or key.startswith(f"{name}.") for key in _all_resources()):
            raise AttributeError(f"no resource {name!r} in the state.{_did_you_mean(name, _all_resources())}")
        self._store = store
        self._name = name

    def __getattr__(self, name: str) -> Objects:
        if name.startswith("_"):
            raise AttributeError(name)
        return Objects(self._store, f"{self._name}.{name}")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_child_names(_all_resources(), self._name)})

    def __repr__(self) -> str:
        return f"<Objects {self._name}: {len(self._store.get(self._name, ()))}>"

    def put(self, obj: Any, content: bytes | None = None) -> None:
        """Store an object. It replaces an object with the same ID.

            openai_mock.state.models.put({"id": "ft:mine", "object": "model", "created": 0, "owned_by": "me"})
            openai_mock.state.files.content.put("file-1", b"a,b")

        obj: a model or a dict, with its `id` and the IDs of its parents, such as `thread_id`. For the bytes of files, it is
            the ID.
        content: the bytes, of files only.
        Raises `KeyError` for a dict without one of these IDs, and `ValueError` for an object that is not valid JSON.
        """
        if isinstance(content, bytes):
            self._objects[obj] = content
            return
        fields = _to_json(obj, f"{self._name}.put(...)")
        id_path = tuple(fields[name] for name in (*self._resource.parent_params, self._resource.key_field))
        self._objects[_to_key(id_path)] = fields

    def get(self, *ids: str) -> Any:
        """Return the object with an ID as a model of the SDK, or None if there is none. Files have bytes.

            assert openai_mock.state.files.get("file-1") is None
            assert openai_mock.state.beta.threads.messages.get("thread_1", "msg_1") is None

        ids: the ID. The IDs of its parents may come first.
        """
        return self._as_model(self._objects.get(self._find(ids)))

    def delete(self, *ids: str) -> bool:
        """Delete an object and its child objects. Return True if the object existed.

            assert not openai_mock.state.files.delete("file-1")

        ids: the ID. The IDs of its parents may come first.
        """
        key = self._find(ids)
        if key not in self._objects:
            return False
        with self._store.lock:
            _delete_object(self._store, self._resource, _to_id_path(key))
        return True

    def list(self, *parents: str, **params: Any) -> Any:
        """Return the objects as a list of models of the SDK, in the order of the API's list call.

            openai_mock.state.files.list(limit=10, order="asc")
            openai_mock.state.beta.threads.messages.list("thread_1")

        parents: the IDs of the parents; they can also be passed by name.
        params: parameters of the SDK's list call, such as `limit` and `order`.
        Raises `TypeError` for a resource that the API can't list.
        """
        rows = [row for row in self._resource.rows if _shape_of(row).verb == "list"]
        if not rows:
            raise TypeError(f"state.{self._name} has no list call; read state[{self._name!r}] instead")
        parents += tuple(params.pop(name) for name in self._resource.parent_params if name in params)
        query = {key: str(value) for key, value in params.items()}
        with self._store.lock:
            page = _list_page(rows[0], self._store, parents, query)
        return [self._as_model(item) for item in page["data"]]

    def _find(self, ids: tuple[str, ...]) -> Any:
        """Return the key of an object. A child object can be found by its own ID alone."""
        if len(ids) > 1 or not self._resource.parent_params:
            return _to_key(ids)
        return next((key for key in self._objects if _to_id_path(key)[-1] == ids[0]), None)

    @property
    def _resource(self) -> _Resource:
        return _get_resource(self._name)

    @property
    def _objects(self) -> dict[Any, Any]:
        return _seed_objects(self._store, self._resource)

    def _as_model(self, obj: Any) -> Any:
        if obj is None or isinstance(obj, bytes):
            return obj
        return _to_model(self._resource.response_type, obj)


def _to_model(model: Any, obj: Any) -> Any:
    """Convert a dict to a model of the SDK."""
    from openai._models import construct_type

    return construct_type(type_=model, value=obj)


# ---- endpoints and rules ---------------------------------------------------------------------------------------------


class _NoNewAttributes:
    """A base class whose public attributes are fixed, so that a misspelled `.response = ...` raises."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_") or hasattr(type(self), name):
            super().__setattr__(name, value)
            return
        raise AttributeError(_missing_attribute_message(self, name))


def _missing_attribute_message(obj: Any, name: str) -> str:
    """Return the message for an attribute that an object does not have, with what to use instead."""
    attributes = [attribute for attribute in dir(obj) if not attribute.startswith("_")]
    hint = _did_you_mean(name, attributes)
    if isinstance(obj, Scripted) and name in _UNITTEST_MOCK_ATTRIBUTES:
        hint = f" Use {_UNITTEST_MOCK_ATTRIBUTES[name]}."
    return f"{obj!r} has no attribute {name!r}.{hint} Available: {', '.join(attributes)}"


# Attributes of `unittest.mock` that endpoints and rules do not have, and what to use instead.
_UNITTEST_MOCK_ATTRIBUTES = {
    "assert_any_await": "assert_any_call(...)",
    "assert_awaited": "assert_called()",
    "assert_awaited_once": "assert_called_once()",
    "assert_awaited_once_with": "assert_called_once_with(...)",
    "assert_awaited_with": "assert_called_with(...)",
    "assert_has_awaits": "assert_any_call(...) for each call, or compare requests",
    "assert_has_calls": "assert_any_call(...) for each call, or compare requests",
    "assert_not_awaited": "assert_not_called()",
    "await_args": "requests[-1]",
    "await_args_list": "requests",
    "await_count": "call_count",
    "call_args": "requests[-1]",
    "call_args_list": "requests",
    "calls": "requests",
    "method_calls": "requests",
    "mock_calls": "requests",
    "reset_mock": "openai_mock.reset()",
    "return_value": "response",
    "side_effect": "response",
}


class Scripted(_NoNewAttributes):
    """The base class of endpoints and rules: a response to set, and the requests that came."""

    def __init__(self, mock: OpenAIMock, row: _Row) -> None:
        self._mock = mock
        self._row = row
        self._response: Any = None
        self._script: _Script | None = None
        self._hit_count = 0
        self._json_form: Any = None  # the response as JSON, if the control plane set it

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(_missing_attribute_message(self, name))

    @property
    def response(self) -> Any:
        """The response to answer with, as you set it, or None. `del` restores the default.

            create.response = "Hello!"  # the model's text
            create.response = {"model": "gpt-6-sol"}  # some fields of the response
            create.response = [error(429), "Here I am."]  # one response for each HTTP attempt
            create.response = lambda request: f"{len(request.content)} bytes"  # computed for each request
            del create.response

        Set a str, a dict with some fields of the response, a model of the SDK or of pydantic, bytes, an `httpx.Response`, an
        exception, a function of the request, the result of a builder such as `tool_call(...)`, `...` for the default
        response, or a list of these.
        Raises `TypeError` or `ValueError` for a value that this endpoint can't answer with.
        """
        return self._response

    @response.setter
    def response(self, value: Any) -> None:
        self._script = _prepare(self._row, value)
        self._response = value
        self._hit_count = 0
        self._json_form = None
        for key_copy in self._per_key_copies():
            key_copy.response = value

    @response.deleter
    def response(self) -> None:
        self._response = None
        self._script = None
        for key_copy in self._per_key_copies():
            del key_copy.response

    def _same_on(self, mock: OpenAIMock) -> Any:
        """Return the same endpoint or rule of another mock."""
        raise NotImplementedError

    def _per_key_copies(self) -> list[Any]:
        """Return the same endpoint or rule of the mock of each API key, to apply a setting to all of them."""
        return [self._same_on(mock) for mock in list(self._mock._key_mocks.values())]

    @property
    def requests(self) -> list[Record]:
        """The requests that came, oldest first."""
        raise NotImplementedError

    @property
    def call_count(self) -> int:
        """The number of requests. Each HTTP attempt counts, so a retry is a request too."""
        return len(self.requests)

    @property
    def called(self) -> bool:
        """True if there was a request."""
        return bool(self.requests)

    def assert_called(self) -> None:
        """Assert that there was at least one request. Raises `AssertionError`."""
        if not self.called:
            raise AssertionError(f"expected at least one call to {self}, got 0")

    def assert_called_once(self) -> None:
        """Assert that there was exactly one request. Raises `AssertionError`."""
        if self.call_count != 1:
            raise AssertionError(f"expected one call to {self}, got {self.call_count}")

    def assert_not_called(self) -> None:
        """Assert that there was no request. Raises `AssertionError`."""
        if self.called:
            raise AssertionError(f"expected no calls to {self}, got {self.call_count}")

    def assert_called_with(self, expected: Mapping[str, Any] | None = None, /, **subset: Any) -> None:
        """Assert that the last request had these parameters.

            client.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": "Hi"}])
            create.assert_called_with(messages=[{"content": "Hi"}])
            create.assert_called_with(model=re.compile("^gpt-"))

        subset: parameters of the body, the path or the query. Dicts and lists match if they have the expected items, at any
            depth; the request may have more. A compiled pattern matches a str that contains it.
        expected: the same as a dict, for names that are not Python identifiers.
        Raises `AssertionError` with the difference, and `TypeError` for a name that looks like a misspelled parameter.
        """
        self.assert_called()
        expected_params = self._expected_params(expected, subset)
        actual_params = _all_params(self.requests[-1])
        mismatch = _first_mismatch(actual_params, expected_params)
        if mismatch is None:
            return
        compared_params = {key: actual_params[key] for key in expected_params if key in actual_params}
        expected_lines = _pretty_json_lines(expected_params)
        actual_lines = _pretty_json_lines(compared_params)
        diff = difflib.unified_diff(expected_lines, actual_lines, "expected", "was called with", lineterm="")
        raise AssertionError("\n".join([f"{self} was called with different arguments: {mismatch}", *diff]))

    def assert_called_once_with(self, expected: Mapping[str, Any] | None = None, /, **subset: Any) -> None:
        """Assert that there was exactly one request, and that it had these parameters.

            client.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": "Hi"}])
            create.assert_called_once_with(messages=[{"content": "Hi"}])

        Raises `AssertionError` and `TypeError` as `assert_called_once` and `assert_called_with` do.
        """
        self.assert_called_once()
        self.assert_called_with(expected, **subset)

    def assert_any_call(self, expected: Mapping[str, Any] | None = None, /, **subset: Any) -> None:
        """Assert that at least one request had these parameters. They match as in `assert_called_with`.

            client.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": "Hi"}])
            client.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": "Bye"}])
            create.assert_any_call(messages=[{"content": "Hi"}])

        Raises `AssertionError` with a difference for each request, and `TypeError` as `assert_called_with` does.
        """
        self.assert_called()
        expected_params = self._expected_params(expected, subset)
        mismatches = []
        for record in self.requests:
            mismatch = _first_mismatch(_all_params(record), expected_params)
            if mismatch is None:
                return
            mismatches.append(mismatch)
        raise AssertionError(
            f"expected a call to {self} with {expected_params!r}, got calls where {'; '.join(mismatches)}"
        )

    def _expected_params(self, expected: Mapping[str, Any] | None, subset: Mapping[str, Any]) -> dict[str, Any]:
        """Return both arguments of an assertion as one dict. Raises `TypeError` for a misspelled parameter."""
        params = {**(expected or {}), **subset}
        _check_param_spelling(f"{self}: ", self._row, params)
        return params

    def _next_script(self) -> _Script:
        """Count a call and return the script for it. Raises `AssertionError` if it has no step for the call."""
        self._hit_count += 1
        script = self._script or _NOT_SET
        if script.step_count is not None and self._hit_count > script.step_count:
            raise AssertionError(
                f"{self} was called {_times_text(self._hit_count)}, but its .response has "
                f"{_count_noun(script.step_count, 'step')}; add a step, or find the code that makes the extra call"
            )
        return script

    def _total_hits(self) -> int:
        return self._hit_count + sum(key_copy._hit_count for key_copy in self._per_key_copies())

    def _unused_steps(self) -> int:
        """Return how many steps of a list were not used. It is 0 if the response is not a list."""
        if self._script is None or self._script.step_count is None:
            return 0
        return max(self._script.step_count - self._total_hits(), 0)


class Endpoint(Scripted):
    """One endpoint of a mock: its response, its rules and its requests.

        create = openai_mock.responses.create
        create.response = "Hi!"
        client.responses.create(model="gpt-5.5", input="Hello")
        assert create.requests[0]["input"] == "Hello"

    Setting another attribute than `response` raises `AttributeError`.
    """

    def __init__(self, mock: OpenAIMock, row: _Row) -> None:
        super().__init__(mock, row)
        self._rules: list[Rule] = []

    def _same_on(self, mock: OpenAIMock) -> Endpoint:
        return mock._endpoint(self._row)

    def __repr__(self) -> str:
        return f"<Endpoint {self._row.name}: {self._row.method} {self._row.path}>"

    def __str__(self) -> str:
        return self._row.name

    @functools.cached_property
    def route(self) -> respx.Route:
        """The RESPX route of the endpoint, with `.call_count` and `.calls.last.request`.

        If you mock the route itself, as with `route.mock(...)`, that overrides `.response`.
        """
        return respx.Route(_EndpointURL(self._mock, self._row), method=self._row.method)

    @property
    def requests(self) -> list[Record]:
        """The requests to the endpoint, oldest first; `requests[0]["model"]` is a parameter of the first.

        A WebSocket endpoint has the messages of the client, without the handshake.
        """
        name = self._row.name
        method = self._row.method
        return [record for record in self._mock.requests if record.endpoint == name and record.method == method]

    @property
    def state_store(self) -> StateStore:
        """The state of the mock, the same as `openai_mock.state`."""
        return self._mock.state

    def when(self, what: Any = None, /, *, tool_result: bool | None = None, **subset: Any) -> Rule:
        """Return the rule for some requests, to set its `.response`. The newest rule that matches a request answers it.

            create.when("weather").response = "It is sunny."
            create.when(re.compile("(?i)weather")).response = "It rains."
            create.when(lambda body: len(body["messages"]) > 3).response = "A long talk."
            create.when(model="gpt-6-sol", tool_result=True).response = "The tool says yes."

        what: a str or a compiled pattern to search for in the last user input, or a function that gets the decoded body and
            returns True for a match.
        tool_result: True for requests that contain the results of tool calls, False for all others.
        subset: parameters of the body, the path or the query, as in `assert_called_with`.
        All conditions have to hold. Equal conditions return the same rule.
        Raises `TypeError` for no condition, for a `what` of another type, for a str or a pattern if the endpoint has no text
            input, and for a name that looks like a misspelled parameter.
        """
        name = self._row.name
        if what is None and tool_result is None and not subset:
            raise TypeError(
                f"{name}.when() needs a condition: a str, a compiled pattern, a function, "
                "or parameters such as model='gpt-5.5'"
            )
        is_text = isinstance(what, (str, re.Pattern))
        if what is not None and not is_text and not callable(what):
            raise TypeError(f"{name}.when({what!r}): expected a str, a compiled pattern or a function")
        if tool_result not in (None, True, False):
            raise TypeError(f"{name}.when(tool_result={tool_result!r}): expected True or False")
        if is_text and not _has_text_input(self._row):
            raise TypeError(
                f"{name}.when({what!r}): this endpoint has no text input to match; use a parameter or a function instead"
            )
        _check_param_spelling(f"{name}.when: ", self._row, subset)
        criteria = (what, tool_result, subset)
        for rule in self._rules:
            if (rule._condition, rule._tool_result, rule._subset) == criteria:
                return rule
        rule = Rule(self, *criteria)
        self._rules.append(rule)
        return rule

    def _select(self, call: _Call) -> Scripted | None:
        """Return the newest rule that matches a call, else the endpoint if it has a response, else None.

        Raises `AssertionError` in strict mode if there are rules and none of them matches.
        """
        for rule in reversed(self._rules):
            if rule._script and not any(rule._mismatches(call)):
                return rule
        if self._script:
            return self
        if self._rules and self._mock._strict:
            raise AssertionError(self._closest_rule(call))
        return None

    def _closest_rule(self, call: _Call) -> str:
        """Return the error message for a call that no rule matches. It names the rule with the fewest mismatches."""
        mismatches = {rule: [*rule._mismatches(call), "it has no .response"] for rule in reversed(self._rules)}
        closest = min(mismatches, key=lambda rule: (len(mismatches[rule]), -len(rule._subset)))
        return f"no rule matches this call to {self}; closest: {closest!r}, but {mismatches[closest][0]}"


class _EndpointURL(respx.patterns.Pattern):
    """A RESPX pattern of an endpoint's URLs. It is compiled at its first match, because few tests match a route."""

    key = ""  # keeps it out of RESPX's lookups by name
    lookups = (respx.patterns.Lookup.REGEX,)

    def __init__(self, mock: OpenAIMock, row: _Row) -> None:
        super().__init__((mock, row))

    def __repr__(self) -> str:
        return f"<URL of {self.value[1].name}>"

    def match(self, request: Any) -> respx.patterns.Match:
        mock, row = self.value
        url_match = re.match(_url_pattern(row, mock._bases), str(request.url))
        if url_match is None:
            return respx.patterns.Match(False)
        return respx.patterns.Match(True, **url_match.groupdict())


@functools.cache
def _url_pattern(row: _Row, bases: tuple[str, ...]) -> str:
    """Return a regular expression for the URLs of a row below the base URLs."""
    path, _, query = row.path.partition("?")
    path_pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/?]+)", re.escape(path))
    query_pattern = r"\?(?:.*&)?beta=true(?:&.*)?" if query else r"(?:\?.*)?"
    return f"^{_base_pattern(*bases).replace('?P<deployment>', '?:')}{path_pattern}{query_pattern}$"


class Rule(Scripted):
    """A response for some requests to an endpoint.

        rule = create.when("weather")
        rule.response = "It is sunny."
        client.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": "How is the weather?"}])
        rule.assert_called_once()
        rule.remove()

    `endpoint.when(...)` returns it.
    """

    def __init__(self, endpoint: Endpoint, condition: Any, tool_result: bool | None, subset: Mapping[str, Any]) -> None:
        super().__init__(endpoint._mock, endpoint._row)
        self._endpoint = endpoint
        self._condition = condition
        self._tool_result = tool_result
        self._subset = subset
        self._optional = False

    @property
    def optional(self) -> bool:
        """True if `assert_all_used()` ignores the rule, so that a test need not hit it. False by default.

            rule = create.when("weather")
            rule.response = "It is sunny."
            rule.optional = True
            openai_mock.assert_all_used()

        Raises `TypeError` for a value other than True and False.
        """
        return self._optional

    @optional.setter
    def optional(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise TypeError(f"{self!r}.optional cannot be {value!r}; set True or False")
        self._optional = value
        for key_copy in self._per_key_copies():
            key_copy.optional = value

    @property
    def requests(self) -> list[Record]:
        """The requests that the rule answered, oldest first."""
        rules = (self, *self._per_key_copies())
        return [record for record in self._mock.requests if record.answered_by in rules]

    def remove(self) -> None:
        """Remove the rule from its endpoint. It doesn't answer requests any more."""
        self._endpoint._rules[:] = [rule for rule in self._endpoint._rules if rule is not self]
        for key_copy in self._per_key_copies():
            key_copy.remove()

    def _same_on(self, mock: OpenAIMock) -> Rule:
        return self._endpoint._same_on(mock).when(self._condition, tool_result=self._tool_result, **self._subset)

    def __repr__(self) -> str:
        arguments = []
        if self._condition is not None:
            arguments.append(repr(self._condition))
        if self._tool_result is not None:
            arguments.append(f"tool_result={self._tool_result}")
        arguments += [f"{key}={value!r}" for key, value in self._subset.items()]
        return f"{self._row.name}.when({', '.join(arguments)})"

    def _mismatches(self, call: _Call) -> Iterator[str]:
        """Yield a message for each condition of the rule that a call does not meet."""
        for key, value in self._subset.items():
            mismatch = _first_mismatch(call.all_params, {key: value})
            if mismatch is not None:
                yield mismatch
        if self._tool_result is not None and _has_tool_results(call) is not self._tool_result:
            yield f"tool_result is {not self._tool_result}"
        if callable(self._condition):
            if not self._condition(call.body):
                yield f"{self._condition!r} returned a false value"
        elif self._condition is not None:
            text = _last_user_text(call)
            pattern = re.escape(self._condition) if isinstance(self._condition, str) else self._condition
            if not re.search(pattern, text):
                yield f"the last user input is {_short_repr(text)}"


class Namespace(_NoNewAttributes):
    """A group of endpoints, such as `openai_mock.beta.threads`. Its attributes are endpoints and namespaces."""

    def __init__(self, mock: OpenAIMock, path: str) -> None:
        self._mock = mock
        self._path = path

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return _resolve_name(self._mock, f"{self._path}.{name}")

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            _reject_assignment(self._path if name == "response" else f"{self._path}.{name}", value)
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_names_below(self._path)})

    def __repr__(self) -> str:
        return f"<Namespace {self._path}: {', '.join(_names_below(self._path))}>"


def _reject_assignment(name: str, value: Any) -> None:
    """Raise `AttributeError` if a dotted name is that of an endpoint or a group of them, whose response is to be set."""
    if _sdk_has_method(name):
        raise AttributeError(f"set its response: openai_mock.{name}.response = {_short_repr(value)}")
    if _is_namespace(name):
        endpoints = _endpoint_names(f"{name}.")
        create = f"{name}.create"
        example = create if create in endpoints else endpoints[0]
        raise AttributeError(
            f"openai_mock.{name} is a group of endpoints; set the response of one of them: "
            f"openai_mock.{example}.response = {_short_repr(value)}"
        )


def _resolve_name(mock: OpenAIMock, name: str) -> Any:
    """Return the endpoint or the namespace of a dotted name. Raises `AttributeError` with the available names."""
    if _sdk_has_method(name):
        return mock._endpoint(_rows()[_canonical_name(name)])
    if _is_namespace(name):
        return Namespace(mock, name)
    owner, _, last = name.rpartition(".")
    available = _names_below(owner)
    if owner:
        owner_text = f"openai_mock.{owner}"
    else:
        owner_text = "openai_mock"
        mock_attributes = [attribute for attribute in dir(type(mock)) if not attribute.startswith("_")]
        available = sorted({*available, *mock_attributes})
    raise AttributeError(
        f"{owner_text} has no {last!r}.{_did_you_mean(last, available)} Available: {', '.join(available)}"
    )


def _names_below(path: str) -> list[str]:
    """Return the names of the endpoints and namespaces in a namespace."""
    prefix = f"{path}." if path else ""
    return sorted(_child_names(_endpoint_names(prefix), path))


# ---- the request log -------------------------------------------------------------------------------------------------


_SECRET_HEADERS = "(?i)authorization|api-?key|subscription-key|functions-key|cookie|token|secret|websocket-protocol"


@dataclasses.dataclass(eq=False, repr=False, slots=True)
class Record:
    """One HTTP attempt in the request log, as it was sent. It does not change afterwards.

        client.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": "Hi"}])
        record = create.requests[-1]
        assert record["model"] == "gpt-5.5"
        assert (record.method, record.path, record.status) == ("POST", "/v1/chat/completions", 200)

    `record["model"]` looks a parameter up in the body, the path and the query, and raises `KeyError` if there is none.

    endpoint: the dotted name of the endpoint, "" if the path is unknown.
    params: the parameters of the path.
    request: the request as the mock received it, with all headers.
    deployment: the deployment in the path, if it is Azure's.
    response: the response, None if a network fault or a mistake was raised instead.
    answered_by: the endpoint or the rule whose response was used, None for the default response.
    duration: the time until the response, in seconds.
    started: the time at which the request came, in seconds as `time.time()` returns them. The difference between two
        attempts is the time that the client waited, and the duration of the first one.
    events: the events that were sent in reply to a message over a WebSocket, None for HTTP.
    """

    endpoint: str
    params: Mapping[str, str]
    request: httpx.Request
    deployment: str | None = None
    response: httpx.Response | None = None
    answered_by: Any = None
    duration: float = 0.0
    events: list[dict[str, Any]] | None = None
    started: float = dataclasses.field(
        default_factory=lambda: time.time()
    )  # looked up late, for tests that set the clock
    _raised: str = ""  # the name of the exception that was raised instead of a response

    @property
    def body(self) -> dict[str, Any]:
        """The decoded body, {} if it can't be decoded. Files are tuples of file name, bytes and content type.

        It is decoded at each access.
        """
        try:
            return _read_body(self.request, self.deployment)
        except _ServiceError:  # the body is malformed
            return {}

    @property
    def method(self) -> str:
        """The HTTP method, such as `"POST"`, or `"WS"` for a message over a WebSocket."""
        return self.request.method

    @property
    def path(self) -> str:
        """The path of the URL as it was sent, such as `"/v1/files/file-1"`."""
        return self.request.url.path

    @property
    def query(self) -> dict[str, Any]:
        """The parameters of the query, such as `{"limit": "5"}`."""
        return _query_params(self.request)

    @property
    def headers(self) -> dict[str, str]:
        """The headers by lower-case name. API keys and other secrets are replaced by `"***"`."""
        headers = {}
        for name, value in self.request.headers.items():
            is_secret = re.search(_SECRET_HEADERS, name)
            headers[name] = "***" if is_secret else value
        return headers

    @property
    def attempt(self) -> int:
        """The number of the attempt: 0 for the first, 1 for the first retry."""
        return int(self.request.headers.get("x-stainless-retry-count", 0))

    @property
    def status(self) -> int | None:
        """The HTTP status of the response, or None if a network fault or a mistake was raised instead."""
        return self.response.status_code if self.response else None

    def __getitem__(self, name: str) -> Any:
        return _all_params(self)[name]

    def __repr__(self) -> str:
        name = self.endpoint or f"{self.method} {self.path}"
        subject = self._subject
        if subject:
            name = f"{name} {subject}"
        return f"<{name}: {self._outcome}>"

    @property
    def _subject(self) -> Any:
        """The model that the request names, or the type of a message over a WebSocket, or a false value."""
        return self.body.get("model") or (self.method == "WS" and self.body.get("type"))

    @property
    def _outcome(self) -> Any:
        """The status of the response, or a text if there is none."""
        if self.status:
            return self.status
        if self._raised:
            return f"raised {self._raised}"
        return "no response" if self.events is None else _count_noun(len(self.events), "event")


# ---- matching requests -----------------------------------------------------------------------------------------------


def _has_text_input(row: _Row) -> bool:
    """Return True if requests to the endpoint, or messages of its connections, contain text from a user."""
    if row.method == "WS" or _behavior_of(row.name).get_messages:
        return True
    return not {"input", "prompt"}.isdisjoint(_param_names(row.name))


def _last_user_text(call: _Call) -> str:
    """Return the text of the last user message, of this request or an earlier one of the conversation, or ""."""
    for message in reversed(_conversation_of(call)):
        if message.get("role") == "user":
            return _extract_text(message)
    return ""


def _has_tool_results(call: _Call) -> bool:
    """Return True if the last message is the result of a tool call."""
    messages = _conversation_of(call)
    if not messages:
        return False
    last = messages[-1]
    return last.get("role") in ("tool", "function") or str(last.get("type")).endswith("call_output")


# The names that chat completions and responses have for the same parameter.
_SIBLING_PARAMS = {
    "input": "messages",
    "max_completion_tokens": "max_output_tokens",
    "max_output_tokens": "max_completion_tokens",
    "max_tokens": "max_output_tokens",
    "messages": "input",
    "reasoning": "reasoning_effort",
    "reasoning_effort": "reasoning",
    "response_format": "text",
    "text": "response_format",
}


def _check_param_spelling(prefix: str, row: _Row, names: Iterable[str]) -> None:
    """Raise `TypeError` for a misspelled parameter of the endpoint, or its name in the sibling API.

    prefix: the beginning of the message.
    """
    if not names:
        return
    param_names = {"tool_result", *_param_names(row.name), *_path_params(row.path)}
    for name in set(names) - param_names:
        suggestion = _did_you_mean(name, param_names, 0.75)
        sibling = _SIBLING_PARAMS.get(name)
        if sibling in param_names:
            suggestion = f" Closest: {sibling!r}."
        if suggestion:
            raise TypeError(f"{prefix}this endpoint has no parameter {name!r}.{suggestion}")


def _first_mismatch(actual: Any, expected: Any, place: str = "") -> str | None:
    """Return a message about the first difference from an expected value, at any depth, or None if there is none.

    A dict may have more keys and a list more elements than expected. A compiled pattern is searched for.
    place: the name of the value in the message, such as `messages.content`.
    """
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        return _first_dict_mismatch(actual, expected, place)
    if isinstance(expected, (list, tuple)) and isinstance(actual, list):
        return _first_list_mismatch(actual, expected, place)
    if _matches_value(actual, expected):
        return None
    return f"{place} is {_short_repr(actual)}"


def _first_dict_mismatch(actual: Mapping[str, Any], expected: Mapping[str, Any], place: str) -> str | None:
    for key, value in expected.items():
        item_place = f"{place}.{key}" if place else key
        if key not in actual:
            return f"{item_place} is missing"
        mismatch = _first_mismatch(actual[key], value, item_place)
        if mismatch is not None:
            return mismatch
    return None


def _first_list_mismatch(actual: list[Any], expected: Sequence[Any], place: str) -> str | None:
    """Return a message about the first expected element without a match. An element matches at most one expected element."""
    unmatched = list(actual)
    for position, item in enumerate(expected):
        matches = (index for index, element in enumerate(unmatched) if _first_mismatch(element, item) is None)
        match_index = next(matches, None)
        if match_index is None:
            adjective = "other " if item in expected[:position] else ""
            return f"{place} has no {adjective}{_short_repr(item)}"
        del unmatched[match_index]
    return None


def _matches_value(value: Any, expected: Any) -> bool:
    """Return True if a value is as expected. Numbers and bools also match their text, as in queries and forms."""
    if isinstance(expected, re.Pattern):
        return isinstance(value, str) and bool(expected.search(value))
    if isinstance(value, str) and isinstance(expected, (bool, int, float)):
        return value == str(expected).lower()
    return bool(value == expected)


# ---- transports ------------------------------------------------------------------------------------------------------


class MockTransport(httpx.MockTransport):
    """A transport for clients of httpx and httpx2 that sends requests to a mock.

        transport = MockTransport(openai_mock)
        client = openai.OpenAI(api_key="sk-fake", http_client=openai.DefaultHttpxClient(transport=transport))

    handler: a mock, or a function of the request, such as `openai_mock.router.handler`, or `.async_handler` for asynchronous
        clients. A mock without a `base_url` answers at any host.
    otherwise: the transport for requests that a route of the router passes through. Without it, they raise `RuntimeError`.
    """

    def __init__(self, handler: OpenAIMock | Callable[[Any], Any], otherwise: Any = None) -> None:
        if isinstance(handler, OpenAIMock):
            super().__init__(handler.router.handler)
            self.async_handler = handler.router.async_handler
        else:
            super().__init__(handler)
            self.async_handler = handler
        self.otherwise = otherwise

    def handle_request(self, request: Any) -> Any:
        """Return the mock's response to a request of a synchronous client."""
        request.read()
        try:
            return _native_response(self.handler(_for_any_host(request)), request)
        except PassThrough:
            return self._next().handle_request(request)

    async def handle_async_request(self, request: Any) -> Any:
        """Return the mock's response to a request of an asynchronous client."""
        await request.aread()
        try:
            response = await _await_if_needed(self.async_handler(_for_any_host(request)))
            return _native_response(response, request)
        except PassThrough:
            return await self._next().handle_async_request(request)

    def _next(self) -> Any:
        if self.otherwise is None:
            raise RuntimeError("MockTransport has no transport to pass the request through to; set otherwise=")
        return self.otherwise


def _for_any_host(request: Any) -> _LazyRequest:
    """Convert a request and mark it as one of a client that only the mock serves, so that its host does not matter."""
    converted = _httpx_request(request)
    converted.any_host = True
    return converted


# ---- the mock --------------------------------------------------------------------------------------------------------


def mock(
    func: Any = None,
    *,
    base_url: str | None = None,
    state: StateStore | Mapping[str, Any] | None = None,
    strict: bool | None = None,
    only_scripted: bool | None = None,
    assert_all_used: bool | None = None,
) -> Any:
    """Return a decorator for tests, which is also a context manager, that activates an `OpenAIMock`.

        @openai_responses.mock()
        def test_greeting(openai_mock):
            openai_mock.responses.create.response = "Hi!"
            assert client.responses.create(model="gpt-5.5", input="Hello").output_text == "Hi!"

        with openai_responses.mock(strict=True) as openai_mock:
            openai_mock.responses.create.response = "Hi!"

    It decorates functions, coroutine functions and classes, with or without parentheses. In a class it decorates each test
    method. A test that has a parameter `openai_mock` gets the mock. `async with` works too.

    func: the function or class, if it is used without parentheses.
    base_url, state, strict, only_scripted, assert_all_used: settings of the `OpenAIMock`. They override those of the mark
        `openai_mock`; None leaves a setting to the mark. A `state` that is a dict is copied for each decorated test.
    """
    settings = {
        "base_url": base_url,
        "state": state,
        "strict": strict,
        "only_scripted": only_scripted,
        "assert_all_used": assert_all_used,
    }
    decorator = _MockDecorator({name: value for name, value in settings.items() if value is not None})
    return decorator if func is None else decorator(func)


class _MockDecorator:
    """The result of `mock(...)`: decorates tests and classes of tests, and is a context manager.

    A decorated test and the fixture `openai_mock` that serves the test share this object, with the settings and the mock.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.fixture_mock: OpenAIMock | None = None  # the mock of the fixture, while the decorated test runs
        self.entered: list[OpenAIMock] = []

    def __call__(self, target: Any) -> Any:
        return self._decorate_class(target) if inspect.isclass(target) else self._decorate_callable(target)

    def _decorate_class(self, cls: type) -> type:
        """Decorate the test methods of a class, the inherited ones too, as `mock.patch` does."""
        for name in dir(cls):
            member = inspect.getattr_static(cls, name)
            is_method = inspect.isfunction(member) or isinstance(member, (staticmethod, classmethod))
            if name.startswith(unittest.mock.patch.TEST_PREFIX) and is_method:
                setattr(cls, name, self._decorate_callable(member))
        return cls

    def _decorate_callable(self, target: Any) -> Any:
        """Decorate a function, or the function of a static method or a class method."""
        if isinstance(target, (staticmethod, classmethod)):
            return type(target)(self._decorate_function(target.__func__))
        return self._decorate_function(target)

    def _decorate_function(self, func: Callable[..., Any]) -> Callable[..., Any]:
        _reject_generator_function(func)
        if inspect.iscoroutinefunction(func):

            @functools.wraps(func)
            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                with self._active_for(func, kwargs):
                    return await func(*args, **kwargs)
        else:

            @functools.wraps(func)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                with self._active_for(func, kwargs):
                    return func(*args, **kwargs)

        wrapper.openai_mock = self
        return _use_fixture(wrapper) if _pytest_session_count else _hide_mock_param(wrapper, func)

    @contextlib.contextmanager
    def _active_for(self, func: Callable[..., Any], kwargs: dict[str, Any]) -> Iterator[None]:
        """Keep a mock active while a test runs, and add it to the test's keyword arguments if it takes one."""
        with self._mock_of_test(kwargs.get("openai_mock")) as openai_mock:
            if "openai_mock" in inspect.signature(func).parameters:
                kwargs["openai_mock"] = openai_mock
            # the check runs here, and not when the mock stops, so that the test itself fails
            asserts_all_used = openai_mock._asserts_all_used
            openai_mock._asserts_all_used = False
            yield
            if asserts_all_used:
                openai_mock.assert_all_used()

    def _mock_of_test(self, passed: OpenAIMock | None) -> Any:
        """Return a context manager of the mock for a test: the fixture's, the one that was passed to it, or a new one."""
        if self.fixture_mock:
            return self.fixture_mock  # the mock is entered again, because `setUp` may have started another mock since
        return contextlib.nullcontext(passed) if passed else _mock_for_test(self.settings)

    def __enter__(self) -> OpenAIMock:
        self.entered.append(OpenAIMock(**self.settings))
        return self.entered[-1].start()

    def __exit__(self, *exc: object) -> None:
        self.entered.pop().__exit__(*exc)

    async def __aenter__(self) -> OpenAIMock:
        return self.__enter__()

    async def __aexit__(self, *exc: object) -> None:
        self.__exit__(*exc)


def _reject_generator_function(func: Any) -> None:
    """Raise `TypeError` for a generator function. Its body would run after the decorator has stopped the mock."""
    if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
        raise TypeError(
            f"the mock cannot decorate the generator function {func.__name__}, whose body runs after the mock has "
            "stopped; write `with OpenAIMock() as openai_mock:` around the yield in its body"
        )


def _mock_for_test(settings: dict[str, Any]) -> OpenAIMock:
    """Return a mock with the settings of a decorator or a mark. A `state` that is a plain dict is copied for each test."""
    state = settings.get("state")
    if type(state) is dict:
        settings = {**settings, "state": _copy_json(state)}
    return OpenAIMock(**settings)


def _hide_mock_param(wrapper: Any, func: Callable[..., Any]) -> Any:
    """Remove the parameter that the wrapper supplies from its signature, because test runners would look for a fixture."""
    signature = inspect.signature(func)
    kept = [parameter for parameter in signature.parameters.values() if parameter.name != "openai_mock"]
    wrapper.__signature__ = signature.replace(parameters=kept)
    return wrapper


# The packages between the application and the mock. Their frames say nothing about a mistake in the test.
_CLIENT_PACKAGES = (
    "openai",
    "httpx",
    "httpx2",
    "httpcore",
    "httpcore2",
    "respx",
    "websockets",
    "anyio",
    "asyncio",
    "contextlib",
)


@dataclasses.dataclass(eq=False)
class Mistake:
    """An exception that the mock raised because of a mistake in the test, in `OpenAIMock.mistakes`.

    error: the exception.
    request: the request that it answered, such as `"POST /v1/chat/completions"`.
    """

    error: Exception
    request: str
    _is_reported: bool = dataclasses.field(default=False, repr=False)

    def __str__(self) -> str:
        return f"{self.request}{self._place}: {type(self.error).__name__}: {self.error}"

    @property
    def _place(self) -> str:
        """The innermost line of the application or the test in the traceback, like ` (app.py:12)`, or "" if none."""
        place = ""
        traceback = self.error.__traceback__
        while traceback:
            module = traceback.tb_frame.f_globals.get("__name__", "")
            if module != __name__ and _package(module) not in _CLIENT_PACKAGES:
                file = os.path.basename(traceback.tb_frame.f_code.co_filename)
                place = f" ({file}:{traceback.tb_lineno})"
            traceback = traceback.tb_next
        return place

    @property
    def _reached_unittest(self) -> bool:
        """True if a `TestCase` failed with the exception. Its cleanups, which may stop the mock, run after that."""
        traceback = self.error.__traceback__
        return traceback is not None and traceback.tb_frame.f_globals.get("__name__") == "unittest.case"

    def _is_like(self, other: Mistake) -> bool:
        """Return True for the same mistake, such as one in a retry of the request."""
        return type(self.error) is type(other.error) and self.request == other.request


# The mocks with mistakes that may not be reported yet, in this process. pytest's hook checks them after each test.
_mocks_with_mistakes: list[OpenAIMock] = []


def _take_unreported_mistakes(mocks: Sequence[OpenAIMock]) -> list[Mistake]:
    """Return the mistakes of some mocks that were not reported yet, and mark them as reported."""
    unreported = []
    for mock in mocks:
        for mistake in mock.mistakes:
            if not mistake._is_reported and not mistake._reached_unittest:
                unreported.append(mistake)
            mistake._is_reported = True
    _mocks_with_mistakes[:] = [mock for mock in _mocks_with_mistakes if not any(mock is other for other in mocks)]
    return unreported


def _raise_mistakes(mistakes: Sequence[Mistake]) -> None:
    """Raise an `AssertionError` that lists mistakes, equal ones once."""
    if not mistakes:
        return
    lines = list(dict.fromkeys(f"  {mistake}" for mistake in mistakes))
    raise AssertionError(
        "the application caught exceptions of mistakes in this test:\n"
        + "\n".join(lines)
        + "\nIf they were intended, call openai_mock.mistakes.clear() at the end of the test."
    )


def _remove_seen_mistake(error: BaseException) -> None:
    """Remove a mistake that the test expected, and equal ones of other attempts, from the mistakes of their mocks."""
    for mock in list(_mocks_with_mistakes):
        for seen in [mistake for mistake in mock.mistakes if mistake.error is error]:
            mock.mistakes[:] = [mistake for mistake in mock.mistakes if not mistake._is_like(seen)]


class OpenAIMock(_NoNewAttributes):
    """A mock of the OpenAI API. While it is active, it answers the requests of all clients in the process.

        with OpenAIMock() as openai_mock:
            openai_mock.responses.create.response = "Hi!"
            assert client.responses.create(model="gpt-5.5", input="Hello").output_text == "Hi!"

    Its attributes are the endpoints by the SDK's names, such as `openai_mock.chat.completions.create`. It is also an ASGI
    application: `uvicorn tests.fake:openai_mock`.

    base_url: answer at this URL only. By default, the mock answers at the hosts of the SDK's own clients (`api.openai.com`,
        its regional and mTLS hosts, Azure, Bedrock, Vertex) and at `OPENAI_BASE_URL`, which may be set at any time.
    state: a `StateStore`, or a dict of dicts by resource name, to begin with and to store objects in. Empty by default.
    strict: reject requests with unknown parameters, wrong types, parameters that the model doesn't support, no API key,
        or references to missing objects even if a response is set. Raise if a set response breaks the schema that the
        application sent, or if no rule matches.
    only_scripted: raise if no response is set where the default would be generated, such as text, embeddings, images and
        speech.
    assert_all_used: call `assert_all_used()` when the context ends.
    limits: limits of the mock when it is served: `keys` (API keys with a mock of their own; 100 by default; with 0 all share
        this mock), `records` (the size of each request log; 1000 by default) and `body` (the size of a request's body in
        bytes; 512 MiB by default).
    Raises `ValueError` for a `base_url` that is not a URL and for invalid `limits`, and `TypeError` or `KeyError` for an
        invalid `state`.
    """

    def __init__(
        self,
        base_url: str | None = None,
        state: StateStore | Mapping[str, Any] | None = None,
        strict: bool = False,
        only_scripted: bool = False,
        assert_all_used: bool = False,
        limits: Mapping[str, int] | None = None,
    ) -> None:
        self._base_url = _normalize_base_url(base_url) if base_url is not None else None
        self._strict = strict
        self._only_scripted = only_scripted
        self._environment_bases: dict[str, None] = {}  # every value of `OPENAI_BASE_URL` so far, in order
        self._read_environment()
        self._endpoints: dict[str, Endpoint] = {}
        self.state = StateStore() if state is None else state
        self._asserts_all_used = assert_all_used
        self._request_log: list[Record] = []
        self._mistakes: list[Mistake] = []
        self._limits = _DEFAULT_LIMITS | dict(limits or {})
        for name, number in self._limits.items():
            if name not in _DEFAULT_LIMITS or type(number) is not int or number < 0:
                raise ValueError(
                    f"limits has {name}={number!r}; expected integers of 0 or more for {', '.join(_DEFAULT_LIMITS)}"
                )
        self._key_mocks: dict[str, OpenAIMock] = {}  # the mocks of API keys, the most recently used one last
        self._parent_mock: OpenAIMock | None = None  # the mock that the mock of an API key was copied from

    @property
    def _bases(self) -> tuple[str, ...]:
        """The base URLs that the mock answers, the most common one first."""
        if self._base_url:
            return (self._base_url,)
        self._read_environment()
        return (_PUBLIC_BASE, *self._environment_bases, *_SDK_BASES)

    def _read_environment(self) -> None:
        """Add the current `OPENAI_BASE_URL`. A test may set it at any time, and a client keeps the one it was made with."""
        if self._base_url:
            return
        url = os.environ.get("OPENAI_BASE_URL")
        if url:
            self._environment_bases[_normalize_environment_base(url)] = None

    @functools.cached_property
    def router(self) -> Router:
        """The RESPX router, to add routes of your own, which come before the endpoints.

            openai_mock.router.get("https://example.com/").respond(200, text="Hi!")

        It is a context manager and a decorator too, and `MockTransport` takes its `.handler`.
        """
        return Router(self)

    @property
    def state(self) -> StateStore:
        """The stored objects.

            openai_mock.state = {"models": {"ft:mine": {"id": "ft:mine", "object": "model"}}}
            assert openai_mock.state["models"]["ft:mine"]["id"] == "ft:mine"

        You can assign a `StateStore` or a dict of dicts by resource name. Responses, rules and routes stay. Raises
        `TypeError` for any other value.
        """
        return self._state

    @state.setter
    def state(self, state: StateStore | Mapping[str, Any]) -> None:
        if not isinstance(state, Mapping):
            raise TypeError(f"state is {state!r}; expected a StateStore or a dict of dicts by resource name")
        self._state = state if isinstance(state, StateStore) else StateStore(state)

    @property
    def mistakes(self) -> list[Mistake]:
        """The mistakes in the test that the application caught so far, oldest first. The test fails if any are left.

            openai_mock.responses.create.response = []
            try:
                client.responses.create(model="gpt-5.5", input="Hi")
            except Exception:
                print("a fallback")
            assert "0 steps" in str(openai_mock.mistakes[0].error)
            openai_mock.mistakes.clear()  # they were intended

        A mistake is an exception that the mock raised because of the test, such as a list of responses that has no more
        steps, or a bug in a callable. Network faults, HTTP errors and other exceptions that the test set are not
        mistakes. One that `pytest.raises` or `assertRaises` caught isn't in the list.
        """
        return (self._parent_mock or self)._mistakes

    def _add_mistake(self, error: Exception, request: str) -> None:
        """Add an exception that the application may catch. A served mock keeps as many as it keeps requests."""
        owner = self._parent_mock or self
        owner._mistakes.append(Mistake(error, request))
        del owner._mistakes[: -owner._limits["records"]]
        if not any(mock is owner for mock in _mocks_with_mistakes):
            _mocks_with_mistakes.append(owner)

    def _check_mistakes(self) -> None:
        """Raise `AssertionError` if the application caught a mistake that was not reported yet."""
        _raise_mistakes(_take_unreported_mistakes([self]))

    def start(self) -> OpenAIMock:
        """Activate the mock until `stop()`, and return it.

            openai_mock = OpenAIMock().start()
            openai_mock.stop()

        It is for a `setUp` method, where `with` can't be used. A mock that is started twice has to be stopped twice.
        """
        self.router.start()
        return self

    def stop(self) -> None:
        """Deactivate the mock. Its responses, its state and its request log can still be read.

        Raises `AssertionError` as `assert_all_used()` does, if the mock was made with `assert_all_used=True`.
        """
        self.router.stop()

    def reset(self) -> None:
        """Remove all responses and rules, and clear the request log and the state, an initial state included.

            openai_mock.responses.create.response = "Hi!"
            openai_mock.reset()
            assert openai_mock.responses.create.response is None

        Routes that you added to the router stay, and their call counts begin again at 0. The `mistakes` stay, too.
        """
        for endpoint in self._endpoints.values():
            del endpoint.response
            endpoint._rules.clear()
            endpoint.__dict__.pop("route", None)  # drop the cached route, with its calls and what it was mocked with
        self._request_log.clear()
        self._key_mocks.clear()  # each API key begins with a new copy of this mock
        self.router.reset()
        self.state.data.clear()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve the mock as an ASGI application: HTTP, WebSockets, and the control plane below `/_mock/`."""
        await _SCOPE_HANDLERS[scope["type"]](self, scope, receive, send)

    def for_key(self, key: str) -> OpenAIMock:
        """Return the mock of an API key when the mock is served. It begins as a copy, with a state of its own.

            openai_mock.for_key("sk-1").responses.create.response = "Hi!"

        A response that is set on this mock is set for all keys, and the request log of this mock has the requests of all.

        key: the API key. For "", or if `limits` has 0 `keys`, the result is this mock.
        """
        if not key or not self._limits["keys"]:
            return self
        with self.state.lock:
            key_mock = self._key_mocks.pop(key, None) or self._copy_for_key()
            if len(self._key_mocks) == self._limits["keys"]:
                del self._key_mocks[next(iter(self._key_mocks))]
            self._key_mocks[key] = key_mock
        return key_mock

    def _copy_for_key(self) -> OpenAIMock:
        """Return a copy with the same settings, routes, responses and rules, and a copy of the state."""
        _finish_all_sessions(self.state)  # iterators of events to come cannot be copied
        key_mock = OpenAIMock(self._base_url, copy.deepcopy(self.state.data), self._strict, self._only_scripted)
        key_mock._parent_mock = self
        key_mock._limits = self._limits
        key_mock.router.routes = self.router.routes
        for endpoint in list(self._endpoints.values()):
            for scripted in (endpoint, *endpoint._rules):
                if scripted._script:
                    scripted_copy = scripted._same_on(key_mock)
                    scripted_copy.response = scripted.response
                    scripted_copy._json_form = scripted._json_form
                    if isinstance(scripted, Rule):
                        scripted_copy.optional = scripted.optional
        return key_mock

    def __enter__(self) -> OpenAIMock:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.router.stop(quiet=exc[0] is not None)

    async def __aenter__(self) -> OpenAIMock:
        return self.__enter__()

    async def __aexit__(self, *exc: object) -> None:
        self.__exit__(*exc)

    @property
    def requests(self) -> list[Record]:
        """The request log: all requests to the mock, oldest first.

            client.responses.create(model="gpt-5.5", input="Hello")
            assert openai_mock.requests[-1].endpoint == "responses.create"

        Each HTTP attempt is a `Record`, so retries are included.
        """
        return list(self._request_log)

    def assert_all_used(self) -> None:
        """Assert that each response of every list was used, and that every rule answered a request.

        Rules with `optional = True` are ignored.

            openai_mock.responses.create.response = ["one"]
            client.responses.create(model="gpt-5.5", input="Hello")
            openai_mock.assert_all_used()

        Raises `AssertionError` with the unused steps and rules.
        """
        unused = []
        for endpoint in self._endpoints.values():
            rules = [rule for rule in endpoint._rules if not rule.optional]
            unused += [f"{rule!r} was never hit" for rule in rules if not rule._total_hits()]
            for scripted in (endpoint, *rules):
                steps = scripted._unused_steps()
                if steps:
                    unused.append(f"{scripted!r} has {_count_noun(steps, 'step')} left of {len(scripted.response)}")
        if unused:
            raise AssertionError("not everything was used: " + "; ".join(unused))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return _resolve_name(self, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_names_below("")})

    def __repr__(self) -> str:
        return f"<OpenAIMock at {', '.join(self._bases)}>"

    def _endpoint(self, row: _Row) -> Endpoint:
        """Return the endpoint of a row; it is created at its first use."""
        endpoint = self._endpoints.get(row.name)
        if endpoint is None:
            endpoint = self._endpoints.setdefault(row.name, Endpoint(self, row))
        return endpoint

    def _to_call(self, request: httpx.Request) -> _Call | None:
        """Return the call that a request makes, or None for requests that are answered but not logged.

        These are uploads of traces and requests for an access token.
        Raises `RequestNotMocked` for a request that is not a call of the API.
        """
        # `raw_url` of a converted request is the client's own URL, which doesn't have to be parsed again
        url, _, query = _strip_userinfo(_httpx_request(request).raw_url).partition("?")
        is_beta = request.method == "WS" and request.headers.get("openai-beta") == "realtime=v1"
        is_beta = is_beta or "beta=true" in query.split("&")
        path, deployment = self._locate(request, url, is_beta) or ("", None)
        if path == "/traces/ingest" or (url in _TOKEN_URLS and request.method == "POST"):
            return None
        row_and_params = _find_row(request.method, path, is_beta)
        if row_and_params is None:
            raise RequestNotMocked(self._unmatched_message(request))
        return _Call(self, *row_and_params, request, deployment)

    def _locate(self, request: httpx.Request, url: str, is_beta: bool = False) -> tuple[str, str | None] | None:
        """Return the path of a request below its base URL, and the Azure deployment. `None` if the mock isn't there."""
        # the most common base on its own first, because it takes longer to read the environment
        location = _strip_base(url, (self._base_url or _PUBLIC_BASE,)) or _strip_base(url, self._bases)
        if location or not self._serves_any_host(request):
            return location
        base, path = _split_base(request.method, url, is_beta) or ("", httpx.URL(url).path)
        match = re.search("/deployments/([^/]+)$", base)
        deployment = unquote(match[1]) if match else None
        return path, deployment

    def _serves_any_host(self, request: httpx.Request) -> bool:
        """Return True if a `MockTransport` brought the request, and the mock isn't bound to a base URL of its own."""
        return not self._base_url and getattr(request, "any_host", False)

    def _unmatched_message(self, request: httpx.Request) -> str:
        """Return the error message for a request that the mock doesn't answer, with a hint what to change."""
        url = _strip_userinfo(str(request.url)).partition("?")[0]
        location = self._locate(request, url)
        if location is not None:
            target = f"{request.method} {location[0]}"
            endpoints = {f"{row.method} {row.path.partition('?')[0]}" for row in _rows().values()}
            return f"the API has no endpoint {target}.{_did_you_mean(target, endpoints)}"
        method = "WS" if request.url.scheme in ("ws", "wss") else request.method
        split = _split_base(method, url) or _split_base(method, url, beta=True)
        base_url_hint = ""
        if split:
            base_url = re.sub("^ws", "http", split[0])
            base_url_hint = f"write OpenAIMock(base_url={json.dumps(base_url)}), or "
        return (
            f"{request.method} {url} would reach the network. To mock it, {base_url_hint}add a route to "
            "`openai_mock.router`, which can also pass it through. "
            f"The mock only answers at {', '.join(self._bases)}"
        )


@functools.lru_cache(maxsize=16)
def _normalize_environment_base(url: str) -> str:
    """Clean a value of `OPENAI_BASE_URL`. It is read with each request, and parsing a URL is slow."""
    return _normalize_base_url(url, "OPENAI_BASE_URL")


def _normalize_base_url(url: Any, name: str = "base_url") -> str:
    """Return a base URL in the form that requests have. Raises `ValueError` for a value that is not a URL."""
    with contextlib.suppress(httpx.InvalidURL):
        parsed = httpx.URL(str(url))
        if parsed.scheme in ("http", "https") and parsed.host:
            return _strip_userinfo(str(parsed)).rstrip("/")
    masked_url = re.sub(r"(?<=[\"'])(\w+://)?.*@", r"\1***@", repr(url))  # hides the user and the password
    raise ValueError(f"{name} is {masked_url}; expected a URL with scheme and host, such as 'http://localhost:8000/v1'")


def _strip_userinfo(url: str) -> str:
    """Remove the user and the password from a URL, because URLs are matched and shown without them."""
    return re.sub("//[^/?#]*@", "//", url, count=1) if "@" in url else url


class Server(NamedTuple):
    """The value of the fixture `openai_server`: a mock, and the URL at which it is served to other processes.

    mock: the mock, to set responses and read requests.
    url: the base URL for clients, which ends with `/v1`.
    """

    mock: OpenAIMock
    url: str

    @property
    def env(self) -> dict[str, str]:
        """The environment variables for a process that uses the server: `{**os.environ, **openai_server.env}`."""
        return {"OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": "sk-mock"}


# ---- webhooks --------------------------------------------------------------------------------------------------------


_webhook_numbers = itertools.count(1)


def webhook(event_type: str, data: Mapping[str, Any] | None = None, /, *, secret: str) -> Webhook:
    """Return the body and the headers of a signed webhook, which `client.webhooks.unwrap` accepts.

        posted = webhook("response.completed", {"id": "resp_1"}, secret="whsec_c2VjcmV0")
        event = client.webhooks.unwrap(posted.body, posted.headers, secret="whsec_c2VjcmV0")
        assert event.data.id == "resp_1"

    event_type: the type of the event, one of the SDK's.
    data: some fields of the event's `data`. The others have defaults.
    secret: the signing secret of the webhook, which the application verifies it with.
    Raises `ValueError` for an unknown type, for `data` that the event doesn't accept, and for an invalid secret.
    """
    event_models = _webhook_events()
    if event_type not in event_models:
        raise ValueError(
            f"unknown webhook type {event_type!r}.{_did_you_mean(event_type, event_models)} "
            f"Available: {', '.join(event_models)}"
        )
    event_id = f"evt_{next(_webhook_numbers):024d}"
    timestamp = str(int(time.time()))
    partial = {"id": event_id, "object": "event", "type": event_type, "data": data or {}}
    event = _merge(event_models[event_type], partial, f"webhook({event_type!r})")
    body = json.dumps(_fill_placeholders(event, StateStore()))
    signed_content = f"{event_id}.{timestamp}.{body}"
    signature = hmac.digest(_signing_key(secret), signed_content.encode(), "sha256")
    headers = {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }
    return Webhook(body, headers)


@functools.cache
def _webhook_events() -> Mapping[str, Any]:
    """Return the models of the SDK's webhook events by type."""
    models = {}
    for model in _union_members(_sdk_type("webhooks.UnwrapWebhookEvent")):
        for event_type in _literal_values(_fields_of(model)["type"].type):
            models[event_type] = model
    return models


def _signing_key(secret: str) -> bytes:
    """Decode a signing secret. Raises `ValueError`; the message does not contain the secret."""
    try:
        key = secret.encode()
        if secret.startswith("whsec_"):
            key = base64.b64decode(secret.removeprefix("whsec_"))
    except (AttributeError, ValueError):  # not a string, or not base64
        key = b""
    if not key:
        raise ValueError('webhook(secret=...): expected a string, or "whsec_" followed by base64')
    return key


@dataclasses.dataclass(frozen=True)
class Webhook:
    """The result of `webhook()`: a signed event as the service posts it to an application.

    body: the JSON of the event.
    headers: the HTTP headers, with the signature.
    """

    body: str
    headers: Mapping[str, str]


# ======================================================================================================================
# IMPORT PATHS: the submodules of this module
# ======================================================================================================================


def _register_module(name: str, **members: Any) -> types.ModuleType:
    """Create a submodule with these members, and add it to `sys.modules` and to its package. Return the submodule.

    name: its dotted name below this module, such as `ext.httpx`. The package must be registered already.
    """
    full_name = f"{__name__}.{name}"
    # pytest can't rewrite the assertions of a module without a file; the marker prevents its warning
    module = types.ModuleType(full_name, f"A submodule of `{__name__}`. PYTEST_DONT_REWRITE")
    module.__spec__ = ModuleSpec(full_name, None)
    module.__path__ = []
    module.__dict__.update(members)
    module = sys.modules.setdefault(full_name, module)
    package, _, last = full_name.rpartition(".")
    setattr(sys.modules[package], last, module)
    return module


def _public_names(module: types.ModuleType) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}


class ContentStore(dict):
    """A dict of file contents, as bytes by file ID.

        from openai_responses.stores import ContentStore

        store = ContentStore()
        store.put("file-1", b"data")
        assert store.get("file-1") == b"data"
        assert store.delete("file-1") is True

    `get` returns None for an unknown ID.
    """

    def put(self, id: str, data: bytes) -> None:
        """Store the content of a file."""
        self[id] = data

    def delete(self, id: str) -> bool:
        """Delete the content of a file. Return True if it was stored."""
        return self.pop(id, None) is not None


@functools.cache
def _builder_store() -> StateStore:
    """Return the state that numbers the objects of the builders below.

    Its IDs start at a high number, because a test may put these objects into the state of a mock, whose IDs start at 1.
    """
    store = StateStore()
    store._store_metadata.id_counters = collections.defaultdict(lambda: 10**23)
    return store


def _build_created(name: str, request: Any, extra: Mapping[str, Any] | None, **ids: str) -> Any:
    """Return the object that a mock would create for a request to an endpoint, as a model of the SDK.

    name: the dotted name of the endpoint, such as `beta.threads.create`.
    request: of httpx or httpx2.
    extra: a partial that overrides fields of the object.
    ids: values of the parameters in the path, such as `thread_id`.
    A parameter that `ids` lacks is taken from the request's path, or else from `extra`. Its default is `<parameter>_1`.
    Raises `ValueError` if the object doesn't accept `extra`.
    """
    row = _rows()[name]
    request = _httpx_request(request)
    extra = extra or {}
    params = {param: extra.get(param, f"{param}_1") for param in _path_params(row.path)}
    pattern = re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", row.path)
    match = re.search(f"{pattern}$", request.url.path)
    if match:
        params |= match.groupdict()
    params |= ids
    call = _Call(OpenAIMock(state=_builder_store()), row, params, request)
    obj = _compose(call, _prepare_partial(row, extra))
    return _to_model(_sdk_type(row.model), obj)


def _request_builder(name: str) -> Callable[..., Any]:
    """Return a function that builds the object of a request to an endpoint."""

    def build(request: Any, *, extra: Mapping[str, Any] | None = None) -> Any:
        """Return the object that a create request creates, as a model of the SDK.

            import httpx
            from openai_responses.helpers.builders.chat import chat_completion_from_create_request

            body = {"model": "gpt-5.5", "messages": [{"role": "user", "content": "Hi"}]}
            request = httpx.Request("POST", "https://api.openai.com/v1/chat/completions", json=body)
            completion = chat_completion_from_create_request(request, extra={"id": "chatcmpl-1"})
            assert (completion.id, completion.model) == ("chatcmpl-1", "gpt-5.5")

        request: the request of the SDK, an `httpx.Request`.
        extra: fields that override those of the object, at every depth.
        Raises `ValueError` if the object doesn't accept a value of `extra`.
        """
        return _build_created(name, request, extra)

    return build


def _thread_request_builder(name: str) -> Callable[..., Any]:
    """Return a function that builds the object of a request to an endpoint below a thread."""

    def build(thread_id: str, request: Any, *, extra: Mapping[str, Any] | None = None) -> Any:
        """Return the object that a create request creates in a thread, as a model of the SDK.

            import httpx
            from openai_responses.helpers.builders.messages import message_from_create_request

            body = {"role": "user", "content": "Hi"}
            request = httpx.Request("POST", "https://api.openai.com/v1/threads/thread_1/messages", json=body)
            message = message_from_create_request("thread_1", request)
            assert (message.thread_id, message.content[0].text.value) == ("thread_1", "Hi")

        thread_id: the ID of the thread.
        request: the request of the SDK, an `httpx.Request`.
        extra: fields that override those of the object, at every depth.
        Raises `ValueError` if the object doesn't accept a value of `extra`.
        """
        return _build_created(name, request, extra, thread_id=thread_id)

    return build


def _model_builder(path: str) -> Callable[[Mapping[str, Any]], Any]:
    """Return a function that builds a model of the SDK, which has this path below `openai.types`."""

    def build(partial: Mapping[str, Any]) -> Any:
        """Return a model of the SDK with these fields, and with defaults for all others.

            from openai_responses.helpers.builders.messages import build_message

            message = build_message({"id": "msg_1"})
            assert (message.id, message.object) == ("msg_1", "thread.message")

        partial: some fields of the model, at every depth.
        Raises `ValueError` if the model doesn't accept a value.
        """
        model = _sdk_type(path)
        obj = _fill_placeholders(_merge(model, partial, path), _builder_store())
        return _to_model(model, obj)

    return build


def _merge_with_partial(model: Any, partial: Mapping[str, Any]) -> Any:
    """Return a copy of a model of the SDK with some fields changed, at every depth.

        from openai_responses.helpers.mergers.threads import merge_thread_with_partial

        thread = client.beta.threads.create(metadata={"user": "7"})
        changed = merge_thread_with_partial(thread, {"metadata": {"user": "8"}})
        assert (changed.id, changed.metadata) == (thread.id, {"user": "8"})

    Raises `ValueError` if the model doesn't accept a value of `partial`.
    """
    base = model.model_dump(mode="json", by_alias=True)
    merged = _merge_into(base, type(model), partial, type(model).__name__)
    return _to_model(type(model), _fill_placeholders(merged, _builder_store()))


# Functions of the library's releases before 1.0, by submodule and name.
_COMPAT_BUILDERS = {
    "assistants": {"assistant_from_create_request": _request_builder("beta.assistants.create")},
    "chat": {"chat_completion_from_create_request": _request_builder("chat.completions.create")},
    "embeddings": {"embedding_create_response_from_create_request": _request_builder("embeddings.create")},
    "messages": {
        "build_message": _model_builder("beta.threads.Message"),
        "message_from_create_request": _thread_request_builder("beta.threads.messages.create"),
    },
    "moderations": {"moderation_create_response_from_create_request": _request_builder("moderations.create")},
    "run_steps": {"build_run_step": _model_builder("beta.threads.runs.RunStep")},
    "runs": {"run_from_create_request": _thread_request_builder("beta.threads.runs.create")},
    "threads": {"thread_from_create_request": _request_builder("beta.threads.create")},
    "vector_store_files": {"vector_store_file_from_create_request": _request_builder("vector_stores.files.create")},
    "vector_stores": {"vector_store_from_create_request": _request_builder("vector_stores.create")},
}


_COMPAT_MERGERS = {
    "assistants": {"merge_assistant_with_partial": _merge_with_partial},
    "runs": {"merge_run_with_partial": _merge_with_partial},
    "threads": {"merge_thread_with_partial": _merge_with_partial},
}


def _register_all() -> None:
    """Register all submodules, each after its package."""
    _register_module("ext")
    _register_module("ext.httpx", **_public_names(httpx) | {"MockTransport": MockTransport})
    _register_module("ext.respx", **_public_names(respx))
    _register_module("stores", StateStore=StateStore, ContentStore=ContentStore)
    _register_module("streaming", EventStream=EventStream, AsyncEventStream=AsyncEventStream)
    _register_module("plugin", pytest_configure=pytest_configure, pytest_unconfigure=pytest_unconfigure)
    _register_module("helpers")
    _register_module("helpers.builders")
    for name, functions in _COMPAT_BUILDERS.items():
        _register_module(f"helpers.builders.{name}", **functions)
    _register_module("helpers.mergers")
    for name, functions in _COMPAT_MERGERS.items():
        _register_module(f"helpers.mergers.{name}", **functions)


# ======================================================================================================================
# PYTEST PLUGIN
# ======================================================================================================================


# `dir()` lists only the public API, so `pytest -p openai_responses` finds no hooks in this module. They are in this one.
pytest_plugins = ("openai_responses.plugin",)


_pytest_session_count = 0  # the running pytest sessions with this plugin; `pytester` runs one within another


def _use_fixture(wrapper: Any) -> Any:
    """Mark a test, so that pytest runs it with the fixture `openai_mock` even if the test has no such parameter."""
    import pytest

    return pytest.mark.usefixtures("openai_mock")(wrapper)


def pytest_configure(config: Any) -> None:
    """Register the mark and the fixtures. Their module is created now, because the library doesn't require pytest."""
    global _pytest_session_count
    _pytest_session_count += 1
    mark = "openai_mock(strict=..., ...): run the test with the fixture openai_mock and these settings of OpenAIMock"
    config.addinivalue_line("markers", mark)
    if not config.pluginmanager.has_plugin("openai_responses.fixtures"):
        config.pluginmanager.register(_fixtures_module(), "openai_responses.fixtures")


def pytest_unconfigure() -> None:
    global _pytest_session_count
    _pytest_session_count -= 1


def _marker_settings(request: Any) -> dict[str, Any]:
    """Return the settings in the mark `openai_mock` of the test that requests a fixture. Without a mark, return {}.

    Raises `TypeError` for a mark with positional arguments.
    """
    marker = request.node.get_closest_marker("openai_mock")
    if marker is None:
        return {}
    if marker.args:
        raise TypeError(f"the mark openai_mock takes keyword arguments only, such as strict=True; got {marker.args!r}")
    return marker.kwargs


def _fixtures_module() -> types.ModuleType:
    """Return a module with the fixtures, and with the hook that reports the requests of a failed test."""
    import pytest

    @pytest.fixture
    def openai_mock(request: Any) -> Iterator[OpenAIMock]:
        """An active `OpenAIMock` for the test.

            def test_greeting(openai_mock):
                openai_mock.responses.create.response = "Hello!"
                response = openai.OpenAI(api_key="sk-fake").responses.create(model="gpt-5.5", input="Hi")
                assert response.output_text == "Hello!"

        The decorator `openai_responses.mock(...)` or the mark `openai_mock` on the test has its settings.
        """
        decorator = getattr(request.function, "openai_mock", None) or _MockDecorator({})
        if "httpx_mock" in request.fixturenames:  # set up first, so that this mock is asked first and ends first
            request.getfixturevalue("httpx_mock")
        settings = {**_marker_settings(request), **decorator.settings}
        with _mock_for_test(settings) as openai_mock:
            request.node.stash[_stash_key("mock")] = openai_mock
            decorator.fixture_mock = openai_mock
            yield openai_mock
        decorator.fixture_mock = None

    @pytest.fixture(autouse=True)
    def _openai_mock_of_the_mark(request: Any) -> None:
        """Request `openai_mock` for a marked test, unless it uses `openai_server`.

        Autouse fixtures start first, so the mock also answers calls that other fixtures make.
        """
        if request.node.get_closest_marker("openai_mock") and "openai_server" not in request.fixturenames:
            request.getfixturevalue("openai_mock")

    @pytest.fixture
    def openai_server(request: Any) -> Iterator[Server]:
        """A running `Server` with a mock for other processes.

        `.mock` is the `OpenAIMock`, `.url` the base URL, and `.env` the environment variables of a client. The mark
        `openai_mock` on the test has the mock's settings.
        """
        settings = {"limits": {"keys": 0}, **_marker_settings(request)}
        served_mock = _mock_for_test(settings)
        request.node.stash[_stash_key("mock")] = served_mock
        with _serve_in_thread(served_mock) as server:
            yield server
        served_mock._check_mistakes()
        if served_mock._asserts_all_used:
            served_mock.assert_all_used()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(item: Any) -> Iterator[None]:
        return (yield from _check_mistakes_of_phase(item, is_setup=True))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(item: Any) -> Iterator[None]:
        return (yield from _check_mistakes_of_phase(item))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(item: Any) -> Iterator[None]:
        return (yield from _check_mistakes_of_phase(item))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(item: Any, call: Any) -> Iterator[None]:
        """Add the OpenAI requests and mistakes of a failed test to its report, and shorten its traceback."""
        excinfo = next(iter(getattr(item, "_excinfo", None) or []), call.excinfo)  # a `TestCase` has its own
        if excinfo and not item.config.getoption("fulltrace"):
            _hide_client_frames(excinfo)
        report = yield
        if report.failed:
            _add_report_sections(item, report)
        return report

    module = types.ModuleType("openai_responses.fixtures")
    module.openai_mock = openai_mock
    module.openai_server = openai_server
    module._openai_mock_of_the_mark = _openai_mock_of_the_mark
    module.pytest_runtest_setup = pytest_runtest_setup
    module.pytest_runtest_call = pytest_runtest_call
    module.pytest_runtest_teardown = pytest_runtest_teardown
    module.pytest_runtest_makereport = pytest_runtest_makereport
    return module


@functools.cache
def _stash_key(name: str) -> Any:
    """Return the key under which pytest's stash of a test has its `mock`, or the `mistakes` for its report."""
    import pytest

    return pytest.StashKey()


def _check_mistakes_of_phase(item: Any, is_setup: bool = False) -> Iterator[None]:
    """Fail a phase of a test in which the application caught a mistake in the test, with any mock.

    A mistake in the setup fails the call of the test, which may still say that it was intended.
    """
    for owner, name, patch in _raises_patches():  # also for a `MockTransport`, which needs no active mock
        _set_patch(owner, name, patch)
    try:
        result = yield
    except BaseException as error:
        mistakes = _take_unreported_mistakes(list(_mocks_with_mistakes))
        item.stash[_stash_key("mistakes")] = [
            other for other in mistakes if other.error not in (error, error.__cause__)
        ]
        raise
    finally:
        if not _Interceptor.routers:
            _remove_patches(_raises_patches())
    if not is_setup:
        _raise_mistakes(_take_unreported_mistakes(list(_mocks_with_mistakes)))
    return result


def _add_report_sections(item: Any, report: Any) -> None:
    """Add the OpenAI requests of a failed test, and the mistakes that its application caught, to the report."""
    openai_mock = item.stash.get(_stash_key("mock"), None)
    if openai_mock and openai_mock.requests:
        lines = [_report_line(record) for record in openai_mock.requests]
        report.sections.append(("OpenAI requests", "\n".join(lines)))
    mistakes = item.stash.get(_stash_key("mistakes"), [])
    if mistakes:
        report.sections.append(("OpenAI mistakes that the application caught", "\n".join(map(str, mistakes))))


def _hide_client_frames(excinfo: Any) -> None:
    """Remove the frames of HTTP clients from the tracebacks of an exception that the mock raised, and of its causes.

    This module's own frames are hidden by `__tracebackhide__`.
    """
    error = excinfo.value
    if __name__ not in [_package(entry.frame.f_globals.get("__name__", "")) for entry in excinfo.traceback]:
        return
    shortened: list[BaseException] = []
    while error is not None and error not in shortened:  # a chain may be a loop
        shortened.append(error)
        error.__traceback__ = _without_client_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
    # pytest cuts the chain of the first entry, so a list without some entries isn't enough
    excinfo.traceback = type(excinfo.traceback)(excinfo.value.__traceback__)


def _without_client_frames(traceback: types.TracebackType | None) -> types.TracebackType | None:
    """Return a traceback without the frames of HTTP clients. It is complete if nothing else would be left."""
    kept = []
    entry = traceback
    while entry:
        if _package(entry.tb_frame.f_globals.get("__name__", "")) not in _CLIENT_PACKAGES:
            kept.append(entry)
        entry = entry.tb_next
    if not kept:
        return traceback
    shortened = None
    for entry in reversed(kept):
        shortened = types.TracebackType(shortened, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return shortened


def _report_line(record: Record) -> str:
    """Return a line about a request, such as `responses.create 200 gpt-5.5 'Hi', default answer, 0.5 ms`."""
    words = [record.endpoint or f"{record.method} {record.path}", str(record._outcome)]
    subject = record._subject
    if subject:
        words.append(str(subject))
    text = _last_input_text(record.body)
    if text:
        words.append(_short_repr(text))

    parts = [" ".join(words)]
    if record.attempt:
        parts.append(f"retry {record.attempt}")
    if record.answered_by:
        parts.append(f"answered by {record.answered_by}")
    elif record.response or record.events:  # a request that raised has neither
        parts.append("default answer")
    parts.append(f"{1000 * record.duration:.1f} ms")
    return ", ".join(parts)


def _last_input_text(body: Mapping[str, Any]) -> str:
    """Return the text of the last input of a request, or "" if it has no input."""
    content = body.get("messages") or body.get("input") or body.get("prompt") or ""
    if isinstance(content, list):
        content = content[-1]
    return _extract_text(content)


__path__: list[str] = []  # makes submodules importable


_register_all()
