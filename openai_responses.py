"""A mock of the OpenAI API for tests, below the official SDK, on RESPX.

    import openai, openai_responses

    @openai_responses.mock()
    def test_greeting(openai_mock):
        openai_mock.chat.completions.create.response = "Hello! How can I help?"
        completion = openai.OpenAI(api_key="sk-fake").chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "Hi"}]
        )
        assert completion.choices[0].message.content == "Hello! How can I help?"
        assert openai_mock.chat.completions.create.route.call_count == 1

Nothing of the application under test changes: every REST call of the SDK is a row of one table, and every request
finds its row by method and path. The rooms of this module, low to high (search for the banners):

    THE ROUTE TABLE            every REST call: dotted name, method, path, model
    THE TABLES OF EXCEPTIONS   id prefixes, default values the types cannot tell, list orders
    ERRORS                     the API's own, and mistakes of a test's author
    DEFAULTS AND MERGING       a valid answer for every type, and partials merged into it
    STATE                      plain dicts keyed by resource type
    REQUESTS                   what was asked: path, query, body
    WHAT THE MODEL SAYS        one turn of it, and what it says when nothing was set
    VERBS                      create, list, retrieve, update, delete, actions, content
    SPECIAL BEHAVIOURS         the rows that do more than their shape says
    SERVER-SENT EVENTS         one answer, as the stream the service would send
    ANSWERS                    everything `.response` takes
    ROUTES AND NAMESPACES      `openai_mock.chat.completions.create`
    INTERCEPTION               the RESPX router; httpx, httpx2 and aiohttp clients
    THE MOCK                   `OpenAIMock`, `mock`
    IMPORT PATHS               `openai_responses.ext.httpx` and the like
    PYTEST PLUGIN              the fixture `openai_mock`
"""

from __future__ import annotations

import abc
import array
import asyncio
import base64
import collections.abc
import concurrent.futures
import contextlib
import difflib
import email
import functools
import hashlib
import importlib
import importlib.util
import inspect
import itertools
import json
import math
import operator
import os
import random
import re
import sys
import threading
import time
import types
import typing
import unittest.mock
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from importlib.machinery import ModuleSpec
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar
from urllib.parse import parse_qsl, unquote

import httpx
import respx
import typing_extensions
from respx.mocks import HTTPCoreMocker, Mocker
from respx.models import AllMockedAssertionError, PassThrough, SideEffectError

__version__ = "1.0.0"
__all__ = [
    # the mock
    "OpenAIMock",
    "mock",
    # what the model says
    "tool_call",
    "refusal",
    "cut",
    "filtered",
    "error",
    "timeout",
    "stream",
    # streams as classes, transports
    "EventStream",
    "AsyncEventStream",
    "MockTransport",
    # state
    "StateStore",
    # errors
    "MockError",
]


# ======================================================================================================================
# THE ROUTE TABLE
# ======================================================================================================================


M = TypeVar("M")


class Row(NamedTuple):
    """One REST call of the SDK. `majors` are the openai major versions that send it this way."""

    name: str
    method: str
    path: str
    model: str  # below openai.types; "CursorPage[Model]" is a list, "bytes" a download, "None" no body
    majors: range = range(1, 1000)


# fmt: off
_TABLE: tuple[tuple[Any, ...], ...] = (
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
    ("beta.realtime.sessions.create", "POST", "/realtime/sessions", "beta.realtime.SessionCreateResponse"),
    ("beta.realtime.transcription_sessions.create", "POST", "/realtime/transcription_sessions", "beta.realtime.TranscriptionSession"),
    ("beta.responses.cancel", "POST", "/responses/{response_id}/cancel?beta=true", "beta.BetaResponse"),
    ("beta.responses.compact", "POST", "/responses/compact?beta=true", "beta.BetaCompactedResponse"),
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
    ("evals.runs.cancel", "POST", "/evals/{eval_id}/runs/{run_id}", "evals.RunCancelResponse", range(2, 3)),
    ("evals.runs.cancel", "POST", "/evals/{eval_id}/runs/{run_id}/cancel", "evals.RunCancelResponse", range(3, 1000)),
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
    ("live.create", "POST", "/live/sessions", "live.LiveCreateResponse"),
    ("live.sessions.accept", "POST", "/live/sessions/{session_id}/accept", "None"),
    ("live.sessions.download_recording", "GET", "/live/sessions/{session_id}/content", "bytes"),
    ("live.sessions.fork", "POST", "/live/sessions/{session_id}/fork", "live.SessionForkResponse"),
    ("live.sessions.hangup", "POST", "/live/sessions/{session_id}/hangup", "None"),
    ("live.sessions.refer", "POST", "/live/sessions/{session_id}/refer", "None"),
    ("live.sessions.reject", "POST", "/live/sessions/{session_id}/reject", "None"),
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
    ("realtime.translations.client_secrets.create", "POST", "/realtime/translations/client_secrets", "realtime.RealtimeTranslationClientSecretCreateResponse"),
    ("responses.cancel", "POST", "/responses/{response_id}/cancel", "responses.Response"),
    ("responses.compact", "POST", "/responses/compact", "responses.CompactedResponse"),
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

# The SDK's helpers, by the endpoint they post to. What a helper calls besides (retrieve while polling, files.create
# before attaching) are rows of their own.
_HELPERS = {
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
    "beta.agents.sessions.stream": "beta.agents.sessions.events.stream",
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
# fmt: on


@functools.cache
def _rows() -> Mapping[str, Row]:
    """The rows of the installed SDK's generation by dotted name; whether the SDK has the method, `_present` tells."""
    import openai

    major = int(openai.__version__.partition(".")[0])
    rows = (Row(*row) for row in _TABLE)
    return types.MappingProxyType({row.name: row for row in rows if major in row.majors})


@functools.cache
def _resource_class(path: str) -> type | None:
    """The SDK's class for a dotted resource name, found without making a client: that would cost an SSL context."""
    import openai

    bare = object.__new__(openai.OpenAI)
    try:
        return type(functools.reduce(getattr, path.split("."), bare))
    except AttributeError:
        return None


@functools.cache
def _present(name: str) -> bool:
    """Whether the installed SDK has this method on this resource."""
    resource, _, method = name.rpartition(".")
    return hasattr(_resource_class(resource), method)


@functools.cache
def _canonical(name: str) -> str:
    """The one endpoint behind twins and helpers: `files.retrieve_content` is `files.content`."""
    row = _rows()[_HELPERS.get(name, name)]
    return _find(row.method, row.path.partition("?")[0], "beta=true" in row.path)[0].name


@functools.cache
def _names() -> tuple[str, ...]:
    """Every dotted name the installed SDK answers to, helpers included."""
    helpers = (name for name, target in _HELPERS.items() if target in _rows())
    return tuple(name for name in itertools.chain(_rows(), helpers) if _present(name))


@functools.cache
def _index() -> dict[str, Any]:
    """A tree of path segments; a row hangs below its path under its method, `{}` stands for a parameter."""
    root: dict[str, Any] = {}
    for row in sorted(_rows().values(), key=lambda row: row.name.startswith("beta.")):
        path, _, query = row.path.partition("?")
        node = root
        for segment in path.split("/")[1:]:
            node = node.setdefault("{}" if segment.startswith("{") else segment, {})
        node.setdefault(f" {row.method}{query}", row)  # of twins the first stands for both
    return root


def _walk(node: dict[str, Any], segments: list[str], method: str, params: tuple[str, ...] = ()) -> Any:
    """Depth first, static segments before parameters."""
    if not segments:
        return (node[method], params) if method in node else None
    head, *rest = segments
    if head in node and (found := _walk(node[head], rest, method, params)):
        return found
    return _walk(node["{}"], rest, method, (*params, head)) if head and "{}" in node else None


@functools.lru_cache(maxsize=4096)
def _find(method: str, path: str, beta: bool = False) -> tuple[Row, dict[str, str]] | None:
    """The row and the path parameters of a call, `None` for a path the SDK does not know."""
    segments = [unquote(segment) for segment in path.split("/")[1:]]
    found = (beta and _walk(_index(), segments, f" {method}beta=true")) or _walk(_index(), segments, f" {method}")
    if not found:
        return None
    row, values = found
    return row, dict(zip(re.findall(r"{(\w+)}", row.path), values, strict=True))


@functools.cache
def _model(path: str) -> Any:
    """The SDK's type behind a row's model: `"CursorPage[FileObject]"` is `SyncCursorPage[FileObject]`."""
    if path in _PLAIN:
        return _PLAIN[path]
    page, _, item = path.rpartition("[")
    if page:
        import openai.pagination

        return getattr(openai.pagination, f"Sync{page}")[_model(item[:-1])]
    module, _, name = f"openai.types.{path}".rpartition(".")
    return getattr(importlib.import_module(module), name)


_PLAIN: dict[str, Any] = {"bytes": bytes, "str": str, "None": type(None)}


# ======================================================================================================================
# THE TABLES OF EXCEPTIONS: what neither the table above nor the types can tell
# ======================================================================================================================

DEFAULT_TEXT = "This is a mock response."
DEFAULT_MODEL = "gpt-4o"

# Bytes a viewer accepts: a PNG of one transparent pixel, an MP3 frame of silence.
_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
_MP3 = b"\xff\xfb\x90\x00" + b"\x00" * 413


class Fresh(NamedTuple):
    """Stands in a default for an id that every answer gets anew."""

    prefix: str


class Now(NamedTuple):
    """Stands in a default for the time of the answer, plus seconds."""

    offset: int = 0


# What the ids of a model begin with, `Beta` in front of its name aside; the others take their name in snake case.
_ID_PREFIXES = {
    "AdminAPIKey": "key_",
    "AdminAPIKeyCreateResponse": "key_",
    "APIKeyCreateResponse": "key_",
    "Assistant": "asst_",
    "AuditLogListResponse": "audit_log-",
    "Certificate": "cert_",
    "ChatCompletion": "chatcmpl-",
    "ChatCompletionMessageCustomToolCall": "call_",
    "ChatCompletionMessageFunctionToolCall": "call_",
    "ChatKitThread": "cthr_",
    "ChatSession": "cksess_",
    "CompactedResponse": "resp_",
    "Completion": "cmpl-",
    "ContainerCreateResponse": "cntr_",
    "Conversation": "conv_",
    "EvalCreateResponse": "eval_",
    "FileCreateResponse": "cfile_",
    "FileObject": "file-",
    "FineTuningJob": "ftjob-",
    "FineTuningJobCheckpoint": "ftckpt_",
    "FineTuningJobEvent": "ftevent-",
    "FunctionToolCall": "call_",
    "ImageGenerationCall": "ig_",
    "Invite": "invite-",
    "LocalShellCall": "lsh_",
    "McpApprovalRequest": "mcpr_",
    "McpCall": "mcp_",
    "McpListTools": "mcpl_",
    "Message": "msg_",
    "ModerationCreateResponse": "modr-",
    "OrganizationUser": "user-",
    "OutputItemListResponse": "outputitem_",
    "OutputItemRetrieveResponse": "outputitem_",
    "PermissionCreateResponse": "cp_",
    "Project": "proj_",
    "ProjectAPIKey": "key_",
    "ProjectRateLimit": "rl-",
    "ProjectServiceAccount": "svc_acct_",
    "ProjectUser": "user-",
    "RequiredActionFunctionToolCall": "call_",
    "Response": "resp_",
    "ResponseApplyPatchToolCall": "apc_",
    "ResponseApplyPatchToolCallOutput": "apco_",
    "ResponseCodeInterpreterToolCall": "ci_",
    "ResponseCompactionItem": "cmp_",
    "ResponseComputerToolCall": "cu_",
    "ResponseCustomToolCall": "ctc_",
    "ResponseFileSearchToolCall": "fs_",
    "ResponseFunctionShellToolCall": "sh_",
    "ResponseFunctionShellToolCallOutput": "sho_",
    "ResponseFunctionToolCall": "fc_",
    "ResponseFunctionToolCallItem": "fc_",
    "ResponseFunctionToolCallOutputItem": "fco_",
    "ResponseFunctionWebSearch": "ws_",
    "ResponseInputMessageItem": "msg_",
    "ResponseOutputMessage": "msg_",
    "ResponseReasoningItem": "rs_",
    "RunCreateResponse": "evalrun_",
    "RunStep": "step_",
    "ServiceAccountCreateResponse": "svc_acct_",
    "SkillVersion": "skillver_",
    "UploadPart": "part_",
    "VectorStore": "vs_",
    "VectorStoreFile": "file-",
    "VectorStoreFileBatch": "vsfb_",
    "VideoCreateCharacterResponse": "char_",
    "VoiceConsent": "cons_",
    "WebhookEndpointWithSecret": "we_",
}

# The same for ids that stand in fields of other objects (`thread_id`); the others take the field's name.
_FIELD_PREFIXES = {
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

# Required fields by name, whatever the model; a required string not named here is its own name.
_FIELD_VALUES = {
    "arguments": "{}",
    "created": Now(),
    "deleted": True,
    "email": "user@example.com",
    "endpoint": "/v1/chat/completions",
    "completion_window": "24h",
    "expires_at": Now(3600),
    "filename": "file.txt",
    "instructions": "",
    "language": "en",
    "model": DEFAULT_MODEL,
    "name": "",
    "owned_by": "openai",
    "parallel_tool_calls": True,
    "path": "/mnt/data/file.txt",
    "report_url": "https://platform.openai.com/evaluations",
    "size": "1024x1024",
    "text": DEFAULT_TEXT,
    "tool_choice": "auto",
    "url": "https://example.com",
}

# Fields by model, as partials merged into what the types give: final states, texts, figures. A name as "Page" stands
# for every `Page[Model]`; fields the type does not have are sent beside the others.
_MODEL_VALUES: dict[str, dict[str, Any]] = {
    "beta.threads.Message": {"metadata": {}, "content": [{"type": "text"}], "attachments": []},
    "beta.threads.Text": {"value": DEFAULT_TEXT},
    "Batch": {"status": "validating", "request_counts": {}},
    "ChatCompletion": {"choices": [{}], "usage": {}, "service_tier": "default", "system_fingerprint": "fp_44709d6fcb"},
    "ChatCompletionMessage": {"content": DEFAULT_TEXT, "refusal": None, "annotations": []},
    "Choice": {"logprobs": None},
    "CompactedResponse": {"output": [{"type": "compaction", "encrypted_content": "mock"}]},
    "Completion": {"choices": [{}], "usage": {}},
    "CompletionUsage": {"prompt_tokens_details": {}, "completion_tokens_details": {}},
    "CompletionTokensDetails": {
        "accepted_prediction_tokens": 0,
        "audio_tokens": 0,
        "reasoning_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
    "ContainerCreateResponse": {"status": "running"},
    "ContainerListResponse": {"status": "running"},
    "ContainerRetrieveResponse": {"status": "running"},
    "Conversation": {"metadata": {}},
    "ConversationCursorPage": {"object": "list", "first_id": None, "last_id": None, "has_more": False},
    "ConversationItemList": {"first_id": "", "last_id": ""},
    "CursorPage": {"object": "list", "first_id": None, "last_id": None, "has_more": False},
    "Embedding": {"embedding": []},
    "EvalAPIError": {"code": "", "message": ""},
    "FileObject": {"status": "processed", "purpose": "assistants"},
    "FineTuningJob": {"status": "validating_files", "hyperparameters": {"n_epochs": "auto"}},
    "ImagesResponse": {"data": [{}]},
    "Invite": {"status": "pending"},
    "NextCursorPage": {"object": "list", "next": None, "has_more": False},
    "Page": {"object": "list", "has_more": False},
    "Project": {"name": "", "status": "active"},
    "PromptTokensDetails": {"audio_tokens": 0, "cached_tokens": 0},
    "Response": {
        "output": [{"type": "message"}],
        "usage": {},
        "metadata": {},
        "temperature": 1.0,
        "top_p": 1.0,
        "truncation": "disabled",
        "text": {"format": {"type": "text"}},
        "background": False,
        "service_tier": "default",
        "completed_at": Now(),
    },
    "ResponseOutputMessage": {"content": [{"type": "output_text"}]},
    "Run": {"usage": {}, "started_at": Now(), "completed_at": Now(), "metadata": {}},
    "RunCreateResponse": {"status": "queued"},
    "RunStep": {"usage": {}, "completed_at": Now(), "metadata": {}},
    "Skill": {"default_version": "1", "latest_version": "1"},
    "SkillVersion": {"version": "1"},
    "TokenPage": {"object": "list", "next": None, "has_more": False},
    "Transcription": {"text": DEFAULT_TEXT},
    "TranscriptionVerbose": {"language": "english", "duration": 1.0, "segments": []},
    "TranscriptionDiarized": {"duration": 1.0, "segments": []},
    "Upload": {"status": "pending"},
    "VectorStore": {"metadata": {}, "last_active_at": Now()},
    "VectorStoreFile": {
        "attributes": {},
        "chunking_strategy": {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}},
    },
    "Video": {"progress": 100, "model": "sora-2", "seconds": "4", "size": "720x1280"},
    "WebhookEventTypeList": {"data": ["response.completed", "batch.completed"]},
}

# Which model answers, where the request's `response_format` decides.
_MODELS_BY_FORMAT = {
    "audio.transcriptions.create": {
        "diarized_json": "audio.TranscriptionDiarized",
        "srt": "str",
        "text": "str",
        "verbose_json": "audio.TranscriptionVerbose",
        "vtt": "str",
    },
    "audio.translations.create": {
        "srt": "str",
        "text": "str",
        "verbose_json": "audio.TranslationVerbose",
        "vtt": "str",
    },
}


# ======================================================================================================================
# ERRORS
# ======================================================================================================================


class MockError(BaseException):
    """A mistake in a test, on its way through openai 2, whose client turns every `Exception` into a retry.

    `__cause__` is the mistake itself; openai 3 lets that through as it is.
    """


class APIError(Exception):
    """An error the API answers with: status and the fields of the envelope."""

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
        self.error = {"message": message, "type": type, "param": param, "code": code}


def _closest(name: str, names: Iterable[str], cutoff: float = 0.6) -> str:
    """`" Closest: 'create'."`, or nothing."""
    close = difflib.get_close_matches(name, list(names), 1, cutoff)
    return f" Closest: {close[0]!r}." if close else ""


# ======================================================================================================================
# DEFAULTS AND MERGING
# ======================================================================================================================


@functools.cache
def _is_model(tp: Any) -> bool:
    import pydantic

    return inspect.isclass(tp) and issubclass(tp, pydantic.BaseModel)


@functools.cache
def _kind(tp: Any) -> tuple[Any, tuple[Any, ...]]:
    """What a type is at heart, and its arguments: `Annotated` stripped, both spellings of unions as one."""
    origin, args = typing.get_origin(tp), typing.get_args(tp)
    if origin is typing.Annotated:
        return _kind(args[0])
    if origin in (typing.Union, types.UnionType):
        return typing.Union, args
    if _is_model(tp):  # before the origin: a page is a generic model
        return tp, ()
    return origin or tp, args


class Field(NamedTuple):
    type: Any
    required: bool


@functools.cache
def _fields(model: Any) -> Mapping[str, Field]:
    """The fields of a model by the name they have on the wire."""
    model.model_rebuild()
    return {f.alias or name: Field(f.annotation, f.is_required()) for name, f in model.model_fields.items()}


@functools.cache
def _wire_names(model: Any) -> Mapping[str, str]:
    """Python's names for fields that are called otherwise on the wire: `schema_` is `schema`."""
    return {name: f.alias for name, f in model.model_fields.items() if f.alias}


def _title(model: Any) -> str:
    """The name exceptions know a model by: `BetaResponse` is `Response`, `SyncCursorPage[File]` is `CursorPage`."""
    return model.__name__.partition("[")[0].removeprefix("Sync").removeprefix("Beta")


def _exception(table: Mapping[str, Any], model: Any, default: Any = None) -> Any:
    """A model's row in a table of exceptions, which knows it by name or, where two share one, by package and name."""
    package = model.__module__.removeprefix("openai.types.").rpartition(".")[0]
    return table.get(f"{package}.{model.__name__}", table.get(_title(model), default))


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z][a-z])", "_", name).lower()


@functools.cache
def _default(tp: Any) -> Any:
    """A valid value of a type, on the wire; ids and times stand as `Fresh` and `Now` until the answer is made."""
    kind, args = _kind(tp)
    if _is_model(kind):
        base = {name: _default_field(kind, name) for name in _fields(kind)}
        if not _answers_alone(kind):  # within others the API leaves out what there is not
            base = {name: value for name, value in base.items() if value is not None or _fields(kind)[name].required}
        return _complete(kind, _exception(_MODEL_VALUES, kind, {}), base, _title(kind))
    if kind is typing.Union:
        return None if type(None) in args else _default(args[0])
    if kind is typing.Literal:
        return args[0]
    return {list: [], dict: {}, str: "", int: 0, float: 0.0, bool: False, object: {}, bytes: b"mock content"}.get(kind)


@functools.cache
def _answers_alone(model: Any) -> bool:
    """Whether a model is the whole answer of some call."""
    package = model.__module__.removeprefix("openai.types").rpartition(".")[0].lstrip(".")
    path = f"{package}.{model.__name__}".lstrip(".")
    return any(path == row.model.rpartition("[")[2].rstrip("]") for row in _rows().values())


@functools.cache
def _default_field(model: Any, name: str) -> Any:
    """The value of a model's field when nobody said anything."""
    tp, required = _fields(model)[name]
    if name == "status" and "completed" in _literals(tp):
        return "completed"
    if not required and name not in ("id", "deleted"):
        return None if _kind(tp)[0] is typing.Union else _default(tp)
    named = _named_default(model, name)
    return named if named is not None and _takes(tp, named) else _default(tp)


def _literals(tp: Any) -> Iterator[str]:
    kind, args = _kind(tp)
    if kind is typing.Literal:
        yield from args
    elif kind is typing.Union:
        for arg in args:
            yield from _literals(arg)


def _named_default(model: Any, name: str) -> Any:
    if name == "id":
        return Fresh(_exception(_ID_PREFIXES, model) or f"{_snake(_title(model))}_")
    if name in _FIELD_VALUES:
        return _FIELD_VALUES[name]
    if name in _FIELD_PREFIXES or name.endswith("_id"):
        return Fresh(_FIELD_PREFIXES.get(name, f"{name.removesuffix('_id')}_"))
    return Now() if name.endswith("_at") else name


def _takes(tp: Any, value: Any) -> bool:
    """Whether a type takes a value; a mark counts as what it will become."""
    sample: Any = "" if isinstance(value, Fresh) else 0 if isinstance(value, Now) else value
    try:
        _merge(tp, sample, "")
    except ValueError:
        return False
    return True


def _merge(tp: Any, value: Any, place: str, lenient: bool = False) -> Any:
    """A value completed by its type, at every depth. `place` is what errors call it.

    `lenient` is for values out of requests, whose types are near those of answers but not the same: unknown keys are
    dropped instead of passed on, and strings out of forms become numbers.
    Raises `ValueError` where the type does not take the value.
    """
    if tp is str is type(value) or isinstance(value, (Fresh, Now)):  # by far the most frequent, and marks
        return value
    if _is_model(type(value)):
        value = value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    kind, args = _kind(tp)
    if kind is typing.Union:
        return _merge_union(tp, args, value, place, lenient)
    if isinstance(value, Mapping) and _is_model(kind):
        return _merge_model(kind, value, place, lenient)
    if isinstance(value, Mapping) and kind is dict:
        return {key: _merge(args[1], item, f"{place}[{key!r}]", lenient) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and kind is list:
        return [_merge_element(args[0], item, i, place, lenient) for i, item in enumerate(value)]
    return _leaf(tp, kind, value, place, lenient)


def _merge_element(tp: Any, value: Any, position: int, place: str, lenient: bool) -> Any:
    """An element of a list; one that has an `index` and was given none takes its position."""
    merged = _merge(tp, value, f"{place}[{position}]", lenient)
    if isinstance(merged, dict) and "index" in merged and isinstance(value, Mapping) and "index" not in value:
        merged["index"] = position
    return merged


def _merge_model(model: Any, value: Mapping[str, Any], place: str, lenient: bool = False) -> dict[str, Any]:
    return _complete(model, value, _default(model), place, lenient)


def _complete(
    model: Any, value: Mapping[str, Any], base: Mapping[str, Any], place: str, lenient: bool = False
) -> dict[str, Any]:
    """`value` merged into `base` by the model's fields, and what follows from it."""
    fields, wire_names = _fields(model), _wire_names(model)
    given = {wire_names.get(key, key): item for key, item in value.items()}
    merged = {name: _copy(item) for name, item in base.items() if name not in given}
    for key, item in given.items():
        if key in fields:
            merged[key] = _merge(fields[key].type, item, f"{place}.{key}", lenient)
        elif not lenient:
            _refuse_near_miss(key, fields, place)
            merged[key] = _plain(item, f"{place}.{key}")
    follows = _exception(_FOLLOWS, model, _nothing)(merged, given)
    return merged | {key: item for key, item in follows.items() if key not in given}


def _refuse_near_miss(key: str, fields: Mapping[str, Field], place: str) -> None:
    if close := difflib.get_close_matches(key, fields, 1, 0.85):
        raise ValueError(f"{place} has no field {key!r}; did you mean {close[0]!r}?")


def _merge_union(tp: Any, members: tuple[Any, ...], value: Any, place: str, lenient: bool) -> Any:
    """The first member that takes the value; dicts go to those they agree with, first to those that have all keys."""
    if value is None and type(None) in members:
        return None
    members = tuple(member for member in members if member is not type(None))
    if len(members) == 1:
        return _merge(members[0], value, place, lenient)
    candidates = _candidates(members, value) if isinstance(value, Mapping) else members
    reasons = []
    for member in candidates:
        try:
            return _merge(member, value, place, lenient)
        except ValueError as error:
            reasons.append(error)
    if isinstance(value, Mapping) and reasons:
        raise reasons[0]
    raise ValueError(f"{place} is {value!r}, but takes {_describe(tp)}")


def _candidates(members: tuple[Any, ...], value: Mapping[str, Any]) -> tuple[Any, ...]:
    flat = tuple(itertools.chain.from_iterable(_kind(m)[1] if _kind(m)[0] is typing.Union else (m,) for m in members))
    models = [member for member in flat if _is_model(_kind(member)[0])]
    agreeing = [member for member in models if _agrees(_kind(member)[0], value)]
    whole = [member for member in agreeing if value.keys() <= _known(_kind(member)[0])]
    free = [member for member in flat if _kind(member)[0] in (dict, object)]
    return tuple(whole or agreeing) + tuple(free)


def _known(model: Any) -> set[str]:
    return {*_fields(model), *_wire_names(model)}


def _agrees(model: Any, value: Mapping[str, Any]) -> bool:
    """Whether the literals of a model (`type`, `role`, `object`) allow what the value says of them."""
    fields = _fields(model)
    literals = ((key, _kind(fields[key].type)) for key in value if key in fields)
    return all(value[key] in args for key, (kind, args) in literals if kind is typing.Literal)


def _leaf(tp: Any, kind: Any, value: Any, place: str, lenient: bool) -> Any:
    if kind in (object, Any):
        return _plain(value, place)
    try:
        return _adapter(tp).validate_python(value, strict=not lenient)
    except ValueError:
        raise ValueError(f"{place} is {value!r}, but takes {_describe(tp)}") from None


@functools.cache
def _adapter(tp: Any) -> Any:
    import pydantic

    return pydantic.TypeAdapter(tp)


def _plain(value: Any, place: str) -> Any:
    """A value no type speaks for, as it goes over the wire."""
    try:
        return json.loads(json.dumps(value, default=_dump))
    except (TypeError, ValueError):
        raise ValueError(f"{place} is {value!r}, which is no JSON") from None


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _dump(value: Any) -> Any:
    if _is_model(type(value)):
        return value.model_dump(mode="json", by_alias=True)
    raise TypeError


def _describe(tp: Any) -> str:
    """A type in words: `'stop' or 'length'`, `list of Choice`."""
    kind, args = _kind(tp)
    if kind is typing.Literal:
        return " or ".join(map(repr, args))
    if kind is typing.Union:
        return " or ".join(_describe(arg) for arg in args)
    if kind is list:
        return f"list of {_describe(args[0])}"
    if kind is type(None):
        return "None"
    return f"a dict of {kind.__name__}" if _is_model(kind) else getattr(kind, "__name__", str(kind))


def _copy(value: Any) -> Any:
    """A deep copy of JSON, several times faster than `copy.deepcopy`; marks stay."""
    if type(value) is dict:
        return {key: _copy(item) for key, item in value.items()}
    if type(value) is list:
        return [_copy(item) for item in value]
    return value


# Fields that follow from others, by model: a function of the merged dict and of what was given.
def _message_follows(message: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {"content": None} if given.get("tool_calls") or given.get("refusal") else {}


def _choice_follows(choice: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {"finish_reason": "tool_calls"} if (choice.get("message") or {}).get("tool_calls") else {}


def _response_follows(response: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    status = "failed" if given.get("error") else "incomplete" if given.get("incomplete_details") else None
    follows: dict[str, Any] = {"status": status, "completed_at": None} if status else {}
    return follows | ({"output": [], "usage": None} if status == "failed" else {})


def _run_follows(run: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    for cause, status in (("last_error", "failed"), ("incomplete_details", "incomplete")):
        if given.get(cause):
            return {"status": status, "completed_at": None}
    return {"status": "requires_action", "completed_at": None} if given.get("required_action") else {}


def _usage_follows(usage: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    parts = ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens")
    return {"total_tokens": sum(usage.get(part) or 0 for part in parts)} if "total_tokens" in usage else {}


def _nothing(merged: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {}


def _page_follows(page: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    ids = [item.get("id") for item in page["data"] if isinstance(item, dict)]
    return {end: ids[i] for end, i in (("first_id", 0), ("last_id", -1)) if ids and end in page}


_FOLLOWS: Mapping[str, Callable[[dict[str, Any], Mapping[str, Any]], dict[str, Any]]] = {
    "ChatCompletionMessage": _message_follows,
    "Choice": _choice_follows,
    "CompletionUsage": _usage_follows,
    "ConversationCursorPage": _page_follows,
    "ConversationItemList": _page_follows,
    "CursorPage": _page_follows,
    "Response": _response_follows,
    "ResponseUsage": _usage_follows,
    "Run": _run_follows,
    "Usage": _usage_follows,
}


# ======================================================================================================================
# STATE
# ======================================================================================================================


class Plan(NamedTuple):
    """What the shape of a row says it does, and with which objects."""

    verb: str  # create, list, retrieve, update, delete, action, content, singleton or compute
    resource: str  # the key of its objects in the state
    parents: tuple[str, ...] = ()  # path parameters that lead to the resource
    item: str = ""  # the path parameter that names the object


@functools.cache
def _collections() -> Mapping[str, str]:
    """The paths that hold objects, and the resource whose they are: `/files` is `files`."""
    collections = dict(_COLLECTIONS)
    rows = sorted(_rows().values(), key=lambda row: (row.name.startswith("beta."), row.name))
    for kind in ("item", "list", "action"):  # what an item path says counts more than what a list says
        for row in rows:
            path = row.path.partition("?")[0]
            head, _, last = path.rpartition("/")
            owner, _, method = row.name.rpartition(".")
            if kind == "item" and last.startswith("{"):
                collections.setdefault(head, owner)
            elif kind == "list" and row.model.endswith("]") and row.method == "GET":
                collections.setdefault(path, owner if method == "list" else f"{owner}.{method.removeprefix('list_')}")
            elif kind == "action" and head.endswith("}") and head.count("/") > 1:  # who can be acted on is an object
                collections.setdefault(head.rpartition("/")[0], owner)
    return collections


# Where the name of a row does not tell whose objects its path holds.
_COLLECTIONS = {"/live/sessions": "live.sessions", "/videos/characters": "videos.characters"}


_SINGLETON_VERBS = {"retrieve": "singleton", "update": "singleton", "delete": "singleton"}


@functools.cache
def _plan(row: Row) -> Plan:
    """What a row does, from its method, path and model alone."""
    path = row.path.partition("?")[0]
    head, _, last = path.rpartition("/")
    params = tuple(re.findall(r"{(\w+)}", path))
    collections = _collections()
    if last.startswith("{"):
        verb = {"GET": "retrieve", "POST": "update", "DELETE": "delete"}[row.method]
        return Plan(verb, collections[head], params[:-1], params[-1])
    if path in collections:
        return Plan("list" if row.method == "GET" else "create", collections[path], params)
    if head.endswith("}") and (collection := head.rpartition("/")[0]) in collections:
        if row.name.rpartition(".")[2] in _SINGLETON_VERBS and row.model != "bytes":
            return Plan("singleton", row.name.rpartition(".")[0], params)
        verb = "content" if row.model == "bytes" else "action" if row.method == "POST" else "compute"
        return Plan(verb, collections[collection], params[:-1], params[-1])
    return Plan(_SINGLETON_VERBS.get(row.name.rpartition(".")[2], "compute"), row.name.rpartition(".")[0], params)


@functools.cache
def _resources() -> Mapping[str, tuple[str, ...]]:
    """Every resource key of the state, with the path parameters of its parents."""
    plans = {row: _plan(row) for row in _rows().values()}
    keys = {plan.resource: plan.parents for plan in plans.values() if plan.verb != "compute"}
    return types.MappingProxyType({**keys, **_CONTENT_RESOURCES})


# Where bytes are kept, and the parents of their keys.
_CONTENT_RESOURCES: dict[str, tuple[str, ...]] = {
    "containers.files.content": ("container_id",),
    "files.content": (),
    "skills.content": (),
    "skills.versions.content": ("skill_id",),
    "uploads.parts": ("upload_id",),
}


@functools.cache
def _parent(resource: str) -> str | None:
    """The resource whose objects own those of this one: `vector_stores` of `vector_stores.files`."""
    owner, _, _ = resource.rpartition(".")
    parents = _resources().get(resource, ())
    return owner if owner in _resources() and len(_resources()[owner]) == len(parents) - 1 else None


def _key(parents: Iterable[str], id: str) -> Any:
    """The key of an object: its id, or the ids of the path that leads to it."""
    path = (*parents, id)
    return path if len(path) > 1 else id


class _Family:
    """The keys of a resource by parents, brought up to date from the end of the dict they are of."""

    def __init__(self, objects: dict[Any, Any]) -> None:
        self.objects, self.last, self.newest = objects, None, None
        self.children: dict[tuple[str, ...], dict[Any, None]] = {}

    def is_of(self, objects: dict[Any, Any]) -> bool:
        """Whether these are the objects it knows, with the last one still in its place."""
        return self.objects is objects and objects.get(self.last) is self.newest

    def add_new(self) -> None:
        """Takes in the keys behind the last one known."""
        new = list(itertools.takewhile(lambda key: key != self.last, reversed(self.objects)))
        for key in reversed(new):
            siblings = self.children.setdefault(key[:-1], {})
            siblings.pop(key, None)  # what went and came back stands at the end
            siblings[key] = None
            self.last, self.newest = key, self.objects[key]


class StateStore(dict):
    """What a mock has stored: a dict by resource name, of plain dicts by id, of objects as they go over the wire.

        store = StateStore()
        store["files"]["file-1"] = {"id": "file-1", ...}
        store.files.put(file_object)            # the same, with the key made from the object
        store.beta.threads.messages.list("thread_1")

    Made from nothing, or from a dict of such dicts, which it then shares. Several mocks may share one store.
    """

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.lock = threading.RLock()
        self._numbers: dict[str, Iterator[int]] = {}
        self._families: dict[str, _Family] = {}
        # what is no object of the API
        self.pending: dict[
            tuple[str, Any], list[Any]
        ] = {}  # changes ahead of objects, behind the status they go on from
        self.paused: dict[tuple[str, Any], list[Any]] = {}  # those on hold
        self.gone: dict[tuple[str, Any], Any] = {}  # the keys that stood before deleted objects, for cursors
        self.inputs: dict[str, list[dict[str, Any]]] = {}  # the input of responses
        self.makers: dict[tuple[str, str], str] = {}  # the calls that made runs
        for resource, objects in (data or {}).items():
            self.__missing__(resource)
            self[resource] = objects

    def __missing__(self, resource: str) -> dict[Any, Any]:
        if resource not in _resources():
            raise KeyError(f"no resource {resource!r} in the state.{_closest(resource, _resources())}")
        return self.setdefault(resource, {})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return Resource(self, name)

    def __repr__(self) -> str:
        return f"StateStore({ {name: len(objects) for name, objects in self.items()} })"

    def new_id(self, prefix: str) -> str:
        """The next id: deterministic, unique in this store."""
        return f"{prefix}{next(self._numbers.setdefault(prefix, itertools.count(1))):024d}"

    def below(self, resource: str, *parents: str) -> dict[Any, dict[str, Any]]:
        """The objects below parents by key, in order, without passing over those of others."""
        objects = self[resource]
        family = self._families.get(resource)
        if family is None or not family.is_of(objects):
            family = self._families[resource] = _Family(objects)
        family.add_new()
        return {key: objects[key] for key in family.children.get(parents, ()) if key in objects}

    def new_key(self, resource: str, parents: Iterable[str], obj: dict[str, Any], prefix: str) -> Any:
        """A key no object of the resource has yet; the object's id is changed if it was taken."""
        while (key := _key(parents, obj["id"])) in self[resource]:
            obj["id"] = self.new_id(prefix)
        return key


def _as_model(model: Any, obj: Any) -> Any:
    from openai._models import construct_type

    return construct_type(type_=model, value=obj)


class Resource:
    """The objects of one resource, as models of the SDK: `store.files`, `store.beta.threads.messages`."""

    def __init__(self, store: StateStore, name: str) -> None:
        if not any(key == name or key.startswith(f"{name}.") for key in _resources()):
            raise AttributeError(f"no resource {name!r} in the state.{_closest(name, _resources())}")
        self._store, self._name = store, name

    def __getattr__(self, name: str) -> Resource:
        if name.startswith("_"):
            raise AttributeError(name)
        return Resource(self._store, f"{self._name}.{name}")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_children(_resources(), self._name)})

    def put(self, obj: Any, content: bytes | None = None) -> None:
        """Stores a model or a dict under the key its fields make; content resources take `put(id, data)`."""
        if isinstance(content, bytes):
            self._objects[obj] = content
            return
        plain, objects = _plain(obj, f"{self._name}.put(...)"), self._objects
        parents = [plain[parent] for parent in _resources()[self._name]]
        objects[_key(parents, plain["id"])] = plain

    def get(self, *ids: str) -> Any:
        """The object under an id as a model, `None` if there is none; the ids of its parents may go before."""
        return self._as_model(self._objects.get(self._find(ids)))

    def delete(self, *ids: str) -> bool:
        """Forgets an object; whether there was one."""
        return self._objects.pop(self._find(ids), None) is not None

    def _find(self, ids: tuple[str, ...]) -> Any:
        """The key of an object, of a child also by its own id alone."""
        if len(ids) > 1 or not _resources()[self._name]:
            return _key(ids[:-1], ids[-1])
        return next((key for key in self._objects if key[-1] == ids[0]), None)

    def list(self, *parents: str, **params: Any) -> Any:
        """The objects below `parents`, as models; takes the parameters of the SDK's list call (`limit`, `order` …)."""
        rows = [row for row in _rows().values() if _plan(row).verb == "list" and _plan(row).resource == self._name]
        if not rows:
            raise TypeError(f"state.{self._name} has no list call; its objects are in state[{self._name!r}]")
        with self._store.lock:
            page = _page(rows[0], self._store, parents, {key: str(value) for key, value in params.items()})
        return [self._as_model(item) for item in page["data"]]

    @property
    def _objects(self) -> dict[Any, Any]:
        return self._store[self._name]

    def _as_model(self, obj: Any) -> Any:
        return obj if obj is None or isinstance(obj, bytes) else _as_model(_item_model(self._name), obj)


@functools.cache
def _item_model(resource: str) -> Any:
    """The model of a resource's objects, as retrieving one gives it."""
    verbs = {_plan(row).verb: row for row in _rows().values() if _plan(row).resource == resource}
    row = verbs.get("retrieve") or verbs.get("create") or verbs["list"]
    return _model(row.model.rpartition("[")[2].removesuffix("]"))


def _children(names: Iterable[str], prefix: str) -> set[str]:
    """The next part of every dotted name below a prefix."""
    start = f"{prefix}." if prefix else ""
    return {name[len(start) :].partition(".")[0] for name in names if name.startswith(start)}


# ======================================================================================================================
# REQUESTS
# ======================================================================================================================


class Call:
    """One request on its way to an answer: where it goes, and what it says."""

    def __init__(self, mock: OpenAIMock, row: Row, params: dict[str, str], request: httpx.Request) -> None:
        self.mock, self.row, self.params, self.request = mock, row, params, request
        self.store = mock.state
        self.body: dict[str, Any] = {}  # read once the call is known to be one
        self.deployment: str | None = None  # the deployment in an Azure path
        self.given: Mapping[str, Any] = {}  # what of the answer the test set
        self.served = False  # whether the test set the answer
        self.pace = _AT_ONCE
        self.turn_given = False  # whether the test set what the model says
        self.turn: Turn | None = None  # what an assistant shall say in the end, where the answer itself cannot tell

    @functools.cached_property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.request.url.query.decode(), keep_blank_values=True))

    @functools.cached_property
    def plan(self) -> Plan:
        return _plan(self.row)

    @property
    def parents(self) -> tuple[str, ...]:
        """The ids of the path that leads to the resource."""
        return tuple(self.params[name] for name in self.plan.parents)

    @property
    def item(self) -> str:
        return self.params[self.plan.item]

    @property
    def key(self) -> Any:
        """The key in the state of the object the path names."""
        return _key(self.parents, self.item)

    @property
    def objects(self) -> dict[Any, Any]:
        return self.store[self.plan.resource]

    @functools.cached_property
    def input_items(self) -> list[dict[str, Any]]:
        """What the request brings as input, as items with ids."""
        value = self.body.get("input") or self.body.get("items") or []
        messages = [{"role": "user", "content": value}] if isinstance(value, str) else _dicts(value)
        return [_item(message, self.store) for message in messages]

    @property
    def unfinished(self) -> bool:
        """Whether what is created has its way still before it: the test did not say how it ends."""
        return not self.given.keys() & {"status", "error", "incomplete_details", "last_error", "required_action"}

    def sub(self, name: str, body: dict[str, Any]) -> Call:
        """A call this one makes on the side."""
        call = Call(self.mock, _rows()[name], {}, self.request)
        call.body = body
        return call

    @property
    def streams(self) -> bool:
        """Whether the answer shall be a stream of events."""
        asked = self.query.get("stream") if self.row.method == "GET" else None
        return (
            self.row.name in _ALWAYS_STREAMED
            or asked == "true"
            or self.body.get("stream") in (True, "true")
            or self.body.get("stream_format") == "sse"
        )

    @property
    def model(self) -> Any:
        """The type of the answer; the request's `response_format` decides for some."""
        by_format = _MODELS_BY_FORMAT.get(self.row.name, {})
        wanted = self.body.get("response_format")
        return _model(by_format.get(wanted, self.row.model) if isinstance(wanted, str) else self.row.model)


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _decode(request: httpx.Request) -> dict[str, Any]:
    """A body as a dict: JSON as it is, a form with its files as (filename, bytes, content type)."""
    content = request.content
    if content.startswith(b"{"):
        return _json_object(content)
    content_type = request.headers.get("content-type", "")
    if content_type.startswith("multipart/form-data"):
        return _nest(_multipart(content, content_type))
    if content_type.startswith("application/x-www-form-urlencoded"):
        return _nest(parse_qsl(content.decode(), keep_blank_values=True))
    return _json_object(content) if content and (not content_type or "json" in content_type) else {}


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content.decode())
    except ValueError as error:
        raise APIError(400, f"We could not parse the JSON body of your request: {error}") from None
    if not isinstance(body, dict):
        raise APIError(400, f"Invalid body: expected an object, but got {type(body).__name__}")
    return body


def _multipart(content: bytes, content_type: str) -> list[tuple[str, Any]]:
    """The fields of a form in order; what has a filename is a file."""
    boundary = email.message_from_string(f"Content-Type: {content_type}").get_param("boundary")
    parts = (b"\r\n" + content).split(b"\r\n--" + str(boundary).encode())
    return [_part(part) for part in parts[1:] if not part.startswith(b"--")]


def _part(part: bytes) -> tuple[str, Any]:
    head, _, data = part.partition(b"\r\n\r\n")
    headers = email.message_from_string(head.decode("utf-8", "replace").lstrip())
    name = str(headers.get_param("name", header="content-disposition"))
    filename = headers.get_filename()
    filename = filename and filename.replace("%22", '"')  # how forms write quotes in names
    return name, data.decode() if filename is None else (filename, data, headers.get_content_type())


def _nest(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """`a[b]` as a dict in a dict, `a[]` and repeated names as a list."""
    body: dict[str, Any] = {}
    for name, value in pairs:
        head, *keys = re.findall(r"[^\[\]]+", name)
        node = body
        for key in keys:
            node, head = node.setdefault(head, {}), key
        if name.endswith("[]") or head in node:
            before = node.get(head, [])
            value = [*(before if isinstance(before, list) else [before]), value]
        node[head] = value
    return body


@functools.cache
def _method(name: str) -> tuple[Any, tuple[str, ...]]:
    """The SDK's method behind a row, and the parameters every way to call it requires."""
    resource, _, method = name.rpartition(".")
    function = getattr(_resource_class(resource), method)
    parameters = inspect.signature(function).parameters.values()
    required = tuple(p.name for p in parameters if p.default is p.empty and p.kind is p.KEYWORD_ONLY)
    if variants := inspect.getclosurevars(function).nonlocals.get("variants"):  # the SDK's mark of overloads
        required = tuple(name for name in variants[0] if all(name in variant for variant in variants))
    return inspect.unwrap(function), required


def _check_required(call: Call) -> None:
    """Raises the 400 of a request that leaves out what the API needs."""
    said = call.body.keys() | call.query.keys() | call.params.keys()
    for name in _method(call.row.name)[1]:
        if name not in said and name.rstrip("_") not in said and not any(key.startswith(f"{name}[") for key in said):
            message = f"Missing required parameter: '{name}'."
            raise APIError(400, message, param=name, code="missing_required_parameter")


@functools.cache
def _parameter_types(name: str) -> Mapping[str, Any]:
    """What the SDK says each parameter of a call takes."""
    function, _ = _method(name)
    hints = typing.get_type_hints(function, vars(sys.modules[function.__module__]), include_extras=True)
    return {
        key: _checked(tp)
        for key, tp in hints.items()
        if not key.startswith("extra_") and key not in ("return", "timeout")
    }


def _checked(tp: Any, within: tuple[Any, ...] = ()) -> Any:
    """A type of the SDK's parameters as it is checked: iterables are lists, for pydantic to look into at once, and of
    dicts only what tells them apart is required: the API asks for less than the SDK's types say."""
    origin, args = typing.get_origin(tp), typing.get_args(tp)
    if typing_extensions.is_typeddict(tp):
        return Any if tp in within else _checked_dict(tp, (*within, tp))
    if origin in (typing.Union, types.UnionType):
        members = [arg for arg in args if getattr(arg, "__name__", "") not in ("Omit", "NotGiven")]
        return typing.Union[tuple(_checked(member, within) for member in members)]
    if args and (origin is collections.abc.Iterable or getattr(origin, "__name__", "") == "SequenceNotStr"):
        return list[_checked(args[0], within)]
    return list[_checked(args[0], within)] if origin is list else tp


def _checked_dict(tp: Any, within: tuple[Any, ...]) -> Any:
    hints = typing_extensions.get_type_hints(tp)
    telling = {name for name in ("type", "role") if name in hints and name in tp.__required_keys__}
    fields = {name: _checked(hint, within) for name, hint in hints.items()}
    marked = {name: typing_extensions.Required[field] if name in telling else field for name, field in fields.items()}
    return typing_extensions.TypedDict(tp.__name__, marked, total=False)


def _check_parameters(call: Call) -> None:
    """Raises the 400 of a request with parameters the API does not know, or values it does not take."""
    types = _parameter_types(call.row.name)
    for name, value in call.body.items():
        known = name if name in types else f"{name}_"
        if known not in types:
            message = f"Unknown parameter: '{name}'.{_closest(name, types)}"
            raise APIError(400, message, param=name, code="unknown_parameter")
        if "json" in call.request.headers.get("content-type", ""):
            _check_type(name, value, types[known])


def _check_type(name: str, value: Any, tp: Any) -> None:
    import pydantic

    try:
        _adapter(tp).validate_python(value)
    except pydantic.ValidationError as error:
        first = _telling(error.errors(include_url=False))
        message = (
            f"Invalid type for '{_place(name, value, first['loc'])}': {first['msg']}, but got {_shown(first['input'])}."
        )
        raise APIError(400, message, param=name, code="invalid_type") from None


def _telling(errors: list[Any]) -> Any:
    """Of the errors of all members of a union, the first of the member that was meant."""
    kinds = [error for error in errors if error["loc"] and error["loc"][-1] in ("type", "role")]
    others = {error["loc"][:-1] for error in kinds}
    meant = [e for e in errors if e not in kinds and not any(e["loc"][: len(other)] == other for other in others)]
    return max(meant or errors, key=lambda error: len(error["loc"]))


def _place(name: str, value: Any, loc: Iterable[Any]) -> str:
    """Where in a parameter an error is; pydantic's labels for members of unions are left out."""
    for part in loc:
        if isinstance(value, list) and isinstance(part, int):
            name, value = f"{name}[{part}]", value[part]
        elif isinstance(value, dict) and part in value:
            name, value = f"{name}.{part}", value[part]
    return name


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:57]}..."


def _check_api_key(call: Call) -> None:
    """Raises the 401 of a request without a key."""
    given = call.request.headers.get("authorization", "")
    if not re.fullmatch(r"Bearer \S+", given) and not call.request.headers.get("api-key"):
        message = "You didn't provide an API key. You need to provide your API key in an Authorization header."
        raise APIError(401, message, code="invalid_api_key")


# ======================================================================================================================
# WHAT THE MODEL SAYS: one turn, whichever API asks for it
# ======================================================================================================================


class ToolCall(NamedTuple):
    """A call of a function by the model; `arguments` is the JSON it wrote."""

    name: str
    arguments: str
    id: str | None = None
    broken: bool = False  # written by hand, perhaps on purpose as no model should


class Turn(NamedTuple):
    """What the model says in one answer, whichever API asks it; `+` joins turns into one."""

    text: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    stop: str | None = None  # "length" or "content_filter" where the answer is cut

    def __add__(self, other: Any) -> Turn:
        other = Turn(other) if isinstance(other, str) else other
        text = (self.text or "") + (other.text or "") or None
        return Turn(text, self.tool_calls + other.tool_calls, self.refusal or other.refusal, self.stop or other.stop)

    def __radd__(self, other: str) -> Turn:
        return Turn(other) + self


def tool_call(name: str, arguments: Any = None, id: str | None = None, /, **kwargs: Any) -> Turn:
    """The model calls a function, with the keyword arguments, or with `arguments`: a dict, or a str as it is.

        create.response = [tool_call("get_weather", city="Tokyo"), "It is sunny in Tokyo."]
        create.response = tool_call("get_weather", city="Oslo") + tool_call("get_time", city="Oslo")  # in parallel
        create.response = tool_call("get_weather", "{broken")

    `id` is the call's id, made up where it is not given. Raises `ValueError` when the arguments are no JSON.
    """
    if arguments is not None and kwargs:
        raise TypeError(f"tool_call({name!r}, ...) takes its arguments as a dict or as keywords, not as both")
    given = kwargs if arguments is None else arguments
    text = given if isinstance(given, str) else json.dumps(_plain(given, f"tool_call({name!r})"), ensure_ascii=False)
    return Turn(tool_calls=(ToolCall(name, text, id, isinstance(given, str)),))


def refusal(text: str = "I'm sorry, I can't help with that.") -> Turn:
    """The model refuses, in these words."""
    return Turn(refusal=text)


def cut(text: str = "") -> Turn:
    """An answer that ends in the middle, at the limit of tokens: finish reason `length`, status `incomplete`."""
    return Turn(text=text, stop="length")


def filtered(text: str = "") -> Turn:
    """An answer the content filter stopped after `text`."""
    return Turn(text=text, stop="content_filter")


def _chat_partial(turn: Turn) -> dict[str, Any]:
    calls = [{"id": c.id or Fresh("call_"), "type": "function", "function": _function(c)} for c in turn.tool_calls]
    message = {"content": turn.text} | ({"tool_calls": calls} if calls else {})
    message |= {"refusal": turn.refusal} if turn.refusal else {}
    return {"choices": [{"message": message} | ({"finish_reason": turn.stop} if turn.stop else {})]}


def _function(tool_call: ToolCall) -> dict[str, Any]:
    return {"name": tool_call.name, "arguments": tool_call.arguments}


def _response_partial(turn: Turn) -> dict[str, Any]:
    state = {"status": "incomplete" if turn.stop else "completed"}
    text = [{"type": "output_text", "text": turn.text}] if turn.text is not None else []
    refusal = [{"type": "refusal", "refusal": turn.refusal}] if turn.refusal else []
    message = [{"type": "message", "content": [*text, *refusal], **state}] if text or refusal else []
    calls = [{"type": "function_call", "call_id": c.id or Fresh("call_"), **_function(c)} for c in turn.tool_calls]
    reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(turn.stop or "")
    return {"output": [*message, *calls]} | ({"incomplete_details": {"reason": reason}} if reason else {})


def _completion_partial(turn: Turn) -> dict[str, Any]:
    return {"choices": [{"text": turn.text or ""} | ({"finish_reason": turn.stop} if turn.stop else {})]}


# What a turn is in the answer of each model that speaks.
_TURN_PARTIALS: Mapping[str, Callable[[Turn], dict[str, Any]]] = {
    "audio.Transcription": lambda turn: {"text": turn.text},
    "audio.Translation": lambda turn: {"text": turn.text},
    "beta.BetaResponse": _response_partial,
    "beta.threads.Run": lambda turn: {},
    "chat.ChatCompletion": _chat_partial,
    "Completion": _completion_partial,
    "responses.Response": _response_partial,
}


def _default_turn(body: Mapping[str, Any]) -> Turn | None:
    """What the model says when nothing was set, where the request asks for a call or for JSON."""
    choice = body.get("tool_choice")
    tools, name = dict(_tools(body)), None
    if isinstance(choice, dict):
        allowed = choice.get("allowed_tools") or choice
        offered = [offer for offer, _ in _tools(allowed)] if allowed.get("mode") == "required" else []
        name = next(iter(offered), None) or (choice.get("function") or choice).get("name")
    if tools and (name in tools or choice == "required"):
        name = name if name in tools else next(iter(tools))
        return tool_call(name, _instance(tools[name] or {}))
    schema = _schema(body)
    return None if schema is None else Turn(json.dumps(_instance(schema)))


def _tools(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The functions a request offers, with the schemas of their parameters, in the forms of all APIs."""
    for tool in _dicts(body.get("tools")):
        function = tool.get("function") or tool
        if tool.get("type") == "function" and "name" in function:
            yield function["name"], function.get("parameters")


def _schema(body: Mapping[str, Any]) -> Any:
    """The JSON schema a request wants the answer to follow, `None` if it wants none."""
    text = body.get("text")
    wanted = body.get("response_format") or (text.get("format") if isinstance(text, dict) else None)
    if not isinstance(wanted, dict) or wanted.get("type") not in ("json_schema", "json_object"):
        return None
    return wanted.get("schema") or (wanted.get("json_schema") or {}).get("schema") or {"type": "object"}


def _check_said(call: Call, obj: Mapping[str, Any]) -> None:
    """What a test set, against the schemas its application sent; text cut or calls broken on purpose are let be.

    Raises `ValueError`, to the author of the test.
    """
    asked = {**obj, **{name: value for name, value in call.body.items() if value is not None}}  # a run inherits
    turn, tools, schema = call.turn, dict(_tools(asked)), _schema(asked)
    texts, calls = _said_by(obj) if turn is None else ([turn.text] * (turn.text is not None), turn.tool_calls)
    if schema is not None and not (turn and turn.stop):
        for text in filter(None, texts):
            _follow(f"{call.row.name}.response", text, schema)
    for made in calls:
        if tools and made.name not in tools:
            raise ValueError(f"{call.row.name}.response calls {made.name!r}, but the request offers {', '.join(tools)}")
        if not made.broken:
            _follow(f"{call.row.name}.response, the call of {made.name!r}", made.arguments, tools.get(made.name) or {})


def _said_by(obj: Mapping[str, Any]) -> tuple[list[str], list[ToolCall]]:
    """The texts and the calls in an answer of chat completions or responses."""
    messages = [choice["message"] for choice in obj.get("choices", ()) if "message" in choice]
    items = _dicts(obj.get("output"))
    texts = [message.get("content") for message in messages] + [_text_of(i) for i in items if i["type"] == "message"]
    functions = [c["function"] for m in messages for c in m.get("tool_calls") or () if c["type"] == "function"]
    functions += [item for item in items if item["type"] == "function_call"]
    return texts, [ToolCall(function["name"], function["arguments"]) for function in functions]


def _follow(place: str, text: str, schema: Any) -> None:
    """Raises `ValueError` where a text is no JSON that follows the schema."""
    try:
        import jsonschema
    except ImportError:
        raise ImportError(
            "strict=True checks answers against schemas with jsonschema: pip install jsonschema"
        ) from None
    try:
        jsonschema.validate(json.loads(text), schema)
    except ValueError:
        raise ValueError(f"{place} is {text!r}, but the request wants JSON") from None
    except jsonschema.ValidationError as error:
        raise ValueError(
            f"{place} does not follow the request's schema at {error.json_path}: {error.message}"
        ) from None


def _instance(schema: Any, root: Any = None) -> Any:
    """A small value that follows a JSON schema."""
    root = schema if root is None else root
    if not isinstance(schema, dict):
        return {}
    if "$ref" in schema:
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return _instance({**_resolved(schema, root), **beside}, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return _instance(_simplest(schema[key], root), root)
    if "allOf" in schema:
        return _instance(_flat(schema, root), root)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return _INSTANCES[kind[0] if isinstance(kind, list) else kind](schema, root)


def _resolved(schema: Any, root: Any) -> Any:
    path = schema.get("$ref", "#").split("/")[1:]
    return functools.reduce(lambda node, part: node[part], path, root) if path else schema


def _flat(schema: Any, root: Any) -> dict[str, Any]:
    """A schema with what `allOf` adds to it, at any depth."""
    parts = (_flat(_resolved(part, root), root) for part in schema.get("allOf", ()))
    return functools.reduce(_both, parts, {key: value for key, value in schema.items() if key != "allOf"})


def _both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two schemas as one."""
    properties = {**one.get("properties", {}), **other.get("properties", {})}
    merged = {**one, **other} | ({"properties": properties} if properties else {})
    return merged | {"required": [*one.get("required", ()), *other.get("required", ())]}


def _simplest(schemas: list[Any], root: Any) -> Any:
    """The first alternative that does not lead back to where it came from: recursion ends there."""
    plain = [schema for schema in schemas if "$ref" not in json.dumps(_resolved(schema, root))]
    return (plain or schemas)[0]


def _object_instance(schema: Any, root: Any) -> dict[str, Any]:
    properties = schema.get("properties", {})
    wanted = [name for name in properties if name in schema.get("required", ())]
    return {name: _instance(properties[name], root) for name in wanted}


def _array_instance(schema: Any, root: Any) -> list[Any]:
    first = [_instance(item, root) for item in schema.get("prefixItems", ())]
    missing = range(max(schema.get("minItems", 0) - len(first), 0))
    items = [_instance(schema.get("items", {}), root) for _ in missing]
    return [*first, *(_varied(item, i) if schema.get("uniqueItems") else item for i, item in enumerate(items))]


def _varied(value: Any, number: int) -> Any:
    """Another value for each number, so that the items of a list differ."""
    if isinstance(value, str):
        return value + str(number) if number else value
    return value + number if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _string_instance(schema: Any, root: Any) -> str:
    if "pattern" in schema:
        return _sample(_parse_pattern(schema["pattern"]))
    text = _FORMATS.get(schema.get("format"), "text")
    return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength")]


def _parse_pattern(pattern: str) -> Any:
    """A regular expression as Python's own parser has it."""
    name = "re._parser" if sys.version_info >= (3, 11) else "sre_parse"
    return importlib.import_module(name).parse(pattern)


def _sample(parsed: Iterable[Any]) -> str:
    """A text that a parsed regular expression matches; look-arounds and back references aside."""
    return "".join(_SAMPLES.get(str(operation), lambda argument: "")(argument) for operation, argument in parsed)


def _sample_one_of(members: list[Any]) -> str:
    """A character of a class like `[a-z]`."""
    if str(members[0][0]) == "NEGATE":
        barred = {_sample_one_of([member]) for member in members[1:]}
        return next(character for character in "a0 -_A." if character not in barred)
    kind, argument = members[0]
    if str(kind) == "CATEGORY":
        return {"CATEGORY_DIGIT": "0", "CATEGORY_SPACE": " ", "CATEGORY_NOT_WORD": "-"}.get(str(argument), "a")
    return chr(argument[0] if str(kind) == "RANGE" else argument)


def _sample_repeat(argument: Any) -> str:
    least, most, parsed = argument
    return _sample(parsed) * max(least, min(1, int(most)))


# What each operation of a regular expression becomes in a text it matches.
_SAMPLES: Mapping[str, Callable[[Any], str]] = {
    "ANY": lambda argument: "a",
    "BRANCH": lambda argument: _sample(argument[1][0]),
    "IN": _sample_one_of,
    "LITERAL": chr,
    "MAX_REPEAT": _sample_repeat,
    "MIN_REPEAT": _sample_repeat,
    "NOT_LITERAL": lambda argument: "b" if argument == ord("a") else "a",
    "SUBPATTERN": lambda argument: _sample(argument[-1]),
}


_FORMATS = {
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


def _number_instance(schema: Any, root: Any) -> Any:
    """The smallest number allowed, or 0; above an exclusive bound it is halfway to the other one, or a step."""
    step = schema.get("multipleOf", 1)
    low, high = schema.get("minimum"), schema.get("maximum")
    if (above := schema.get("exclusiveMinimum")) is not None:
        low = (
            above + step
            if schema.get("type") == "integer" or "multipleOf" in schema
            else math.nextafter(above, math.inf)
        )
    if (below := schema.get("exclusiveMaximum")) is not None:
        high = (
            below - step
            if schema.get("type") == "integer" or "multipleOf" in schema
            else math.nextafter(below, -math.inf)
        )
    value = max(0, low) if low is not None else 0
    value = min(value, high) if high is not None else value
    aligned = math.ceil(value / step) * step if "multipleOf" in schema or schema.get("type") == "integer" else value
    return aligned - step if high is not None and aligned > high else aligned


_INSTANCES: Mapping[str, Callable[[Any, Any], Any]] = {
    "array": _array_instance,
    "boolean": lambda schema, root: False,
    "integer": _number_instance,
    "null": lambda schema, root: None,
    "number": _number_instance,
    "object": _object_instance,
    "string": _string_instance,
}


# ======================================================================================================================
# VERBS
# ======================================================================================================================

# How a resource lists: order when none is asked for, page size when none is asked for, the largest page size.
_LISTING = {
    "chat.completions": ("asc", 20, 100),
    "chat.completions.messages": ("asc", 20, 100),
    "evals": ("asc", 20, 100),
    "evals.runs": ("asc", 20, 100),
    "evals.runs.output_items": ("asc", 20, 100),
    "files": ("desc", 10_000, 10_000),
    "models": ("asc", 10_000, 10_000),
    "vector_stores.files.content": ("asc", 10_000, 10_000),
}
_ADMIN_LISTING = ("asc", 20, 1000)
_USUAL_LISTING = ("desc", 20, 100)

# Filters that go by another name than the field they filter.
_FILTERS = {"filter": "status"}

# How the API says that there is no such object; the others say "No such X object: id".
_NOT_FOUND = {
    "batches": "No batch found with id '{id}'.",
    "beta.assistants": "No assistant found with id '{id}'.",
    "beta.threads": "No thread found with id '{id}'.",
    "beta.threads.messages": "No message found with id '{id}'.",
    "beta.threads.runs": "No run found with id '{id}'.",
    "beta.threads.runs.steps": "No run step found with id '{id}'.",
    "conversations": "Conversation with id '{id}' not found.",
    "conversations.items": "Item with id '{id}' not found.",
    "fine_tuning.jobs": "Could not find fine tune: {id}",
    "models": "The model '{id}' does not exist",
    "responses": "Response with id '{id}' not found.",
    "vector_stores": "Vector store with id '{id}' not found.",
}
_NOT_FOUND_CODES = {"models": "model_not_found"}


def _realize(value: Any, store: StateStore) -> Any:
    """A copy of a default or a merged partial, with ids and times of its own."""
    kind = type(value)
    if kind is dict:
        return {key: item if type(item) in _SCALARS else _realize(item, store) for key, item in value.items()}
    if kind is list:
        return [_realize(item, store) for item in value]
    if kind is Fresh:
        return store.new_id(value.prefix)
    return int(time.time()) + value.offset if kind is Now else value


_SCALARS = frozenset((str, int, float, bool, type(None)))  # asked for in place: a call for each would cost more


def _make(path: str, store: StateStore, fields: Mapping[str, Any]) -> dict[str, Any]:
    """An object of a model, with these fields and defaults for the others."""
    return _realize({**_default(_model(path)), **fields}, store)


def _build(call: Call, template: Any = None, given: Mapping[str, Any] | None = None) -> Any:
    """The answer as an object: what the user set, then what the request said, then the default."""
    call.given = given or {}
    if template is None:
        template = _request_default(call)
    if isinstance(template, dict):
        said = {key: item for key, item in _said(call).items() if key not in call.given}
        template = template | _taken(_class_of(call.model, template), said)
    obj = _realize(template, call.store)
    fill = _FILLS.get(call.row.name)
    return fill(call, obj) if fill else obj


def _request_default(call: Call) -> Any:
    """The default of the call's model; of a union, that of the member the request speaks of."""
    if call.row.model in _TURN_PARTIALS and (turn := _default_turn(call.body)):
        call.turn = turn
        return _merge(call.model, _TURN_PARTIALS[call.row.model](turn), call.row.name)
    kind, args = _kind(call.model)
    if kind is typing.Union and (members := _candidates(args, call.body)):
        return _default(members[0])
    return _default(call.model)


def _class_of(tp: Any, obj: Mapping[str, Any]) -> Any:
    """The model an object is of: the type itself, or the member of the union it agrees with."""
    kind, args = _kind(tp)
    return kind if kind is not typing.Union else _kind((_candidates(args, obj) or args)[0])[0]


def _said(call: Call) -> dict[str, Any]:
    """What a request says about the object it gets: its body, and the ids in its path."""
    said = {**call.body, **call.params}
    for name, field in _RENAMED.get(call.plan.resource, {}).items():
        if call.plan.verb in ("create", "update") and name in call.body:
            said[field] = call.body[name]
    if call.plan.item and (call.plan.verb in ("retrieve", "update", "delete") or _acts_on_itself(call.row)):
        said["id"] = call.item
    return said


@functools.cache
def _acts_on_itself(row: Row) -> bool:
    """Whether an action answers with the object it is done to."""
    plan = _plan(row)
    return plan.verb == "action" and row.model != "None" and _model(row.model) is _item_model(plan.resource)


def _taken(tp: Any, said: Mapping[str, Any]) -> dict[str, Any]:
    """What an object of a type takes over from a request: the fields they share, where the values fit."""
    fields, taken = _fields(tp) if _is_model(tp) else {}, {}
    for key in said.keys() & fields.keys():
        with contextlib.suppress(ValueError):  # a field of the same name and another meaning
            taken[key] = _merge(fields[key].type, said[key], key, lenient=True)
    return taken


def _create(call: Call) -> Any:
    _check_parents(call)
    return _keep(call, _build(call))


def _keep(call: Call, obj: Any) -> Any:
    return _STORES.get(call.row.name, _remember)(call, obj)


def _remember(call: Call, obj: Any) -> Any:
    """Stores what a create or an update answers."""
    if field := _KEY_FIELDS.get(call.plan.resource):
        call.objects[(*call.parents, obj[field])] = obj
    elif isinstance(obj, dict) and "id" in obj:
        prefix = re.match(r"[^\d]*", str(obj["id"]))
        key = call.store.new_key(call.plan.resource, call.parents, obj, prefix[0] if prefix else "")
        call.objects[key] = obj
    return obj


# Objects known by another field than their id.
_KEY_FIELDS = {"beta.agents.environments.files": "path"}


def _retrieve(call: Call) -> Any:
    _advance(call, call.plan.resource, call.key)
    return _view(call, _fetch(call))


def _fetch(call: Call) -> dict[str, Any]:
    """The stored object the path names. Raises the 404 of its resource, or that of a parent."""
    if call.key not in call.objects:
        _check_parents(call)
        raise _no_such(call.plan.resource, call.item, call.plan.item or "id")
    return _completed(call.store, call.plan.resource, call.key)


def _completed(store: StateStore, resource: str, key: Any) -> dict[str, Any]:
    """A stored object; one that was put in by hand gets the fields it lacks."""
    obj, model = store[resource][key], _made_as(resource)
    if _is_model(model) and not obj.keys() >= _required_fields(model):
        missing = {name: value for name, value in _default(model).items() if name not in obj}
        obj.update(_realize(missing | ({} if "id" in obj else {"id": _last(key)}), store))
    return obj


@functools.cache
def _required_fields(model: Any) -> set[str]:
    return {name for name, field in _fields(model).items() if field.required}


def _no_such(resource: str, id: str, param: str) -> APIError:
    noun = _singular(resource).replace("_", " ").title().replace(" ", "")
    message = _NOT_FOUND.get(resource, f"No such {noun} object: {{id}}").format(id=id)
    return APIError(404, message, param=param, code=_NOT_FOUND_CODES.get(resource))


def _singular(resource: str) -> str:
    plural = resource.rpartition(".")[2]
    return plural.removesuffix("es") if plural.endswith("ches") else plural.removesuffix("s")


def _check_parents(call: Call) -> None:
    """A child answers below its own parent only. Raises the parent's 404."""
    resource, path = call.plan.resource, call.parents
    while (resource := _parent(resource) or "") and path:
        if _key(path[:-1], path[-1]) not in call.store[resource]:
            raise _no_such(resource, path[-1], call.plan.parents[len(path) - 1])
        path = path[:-1]


def _view(call: Call, stored: dict[str, Any]) -> Any:
    """A stored object as this call answers it."""
    return _seen_as(call.model, call.plan.resource, stored, call.store)


def _seen_as(tp: Any, resource: str, stored: dict[str, Any], store: StateStore) -> dict[str, Any]:
    """A stored object as another model shows it than the one it was made with: with its own fields only."""
    made = _made_as(resource)
    if tp is made or not _is_model(tp):
        return stored
    if not _is_model(made):  # of no create's making: as it is, completed
        return _realize({k: v for k, v in _default(tp).items() if k not in stored}, store) | stored
    extra = {key: item for key, item in stored.items() if key not in _fields(tp) and key not in _fields(made)}
    taken = _taken(tp, stored)
    missing = {key: item for key, item in _default(tp).items() if key not in taken}
    return {**extra, **taken, **_realize(missing, store)}


@functools.cache
def _made_as(resource: str) -> Any:
    """The model the objects of a resource are stored as: that of the call that creates them."""
    rows = [row for row in _rows().values() if _plan(row).resource == resource]
    makers = [row for row in rows if _plan(row).verb == "create" and row.name not in {*_ASSIGNMENTS, *_SPECIALS}]
    return _model(makers[0].model) if makers else None


def _update(call: Call) -> Any:
    stored = _fetch(call)
    model = _class_of(call.model, stored)
    said = {key: value for key, value in _said(call).items() if key not in (*call.params, "id")}
    kept = {key: value for key, value in said.items() if key in stored and key not in _fields(model)}
    if "expires_after" in said and "expires_at" in stored:
        kept |= {"expires_at": None} | _expiry(call, stored["created_at"])
    stored.update(_realize(_taken(model, said), call.store) | kept)
    return _view(call, stored)


def _delete(call: Call) -> Any:
    _fetch(call)
    _forget(call.store, call.plan.resource, (*call.parents, call.item))
    return _build(call)


def _forget(store: StateStore, resource: str, path: tuple[str, ...]) -> None:
    """Deletes an object, and with it its children."""
    if (key := _key(path[:-1], path[-1])) in store[resource]:
        store.gone[resource, key] = _before(store.below(resource, *path[:-1]) if path[1:] else store[resource], key)
        del store[resource][key]
        store._families.pop(resource, None)
    for child in _resources():
        if _parent(child) == resource:
            for key in [key for key in store[child] if key[: len(path)] == path]:
                _forget(store, child, key)


def _before(objects: Iterable[Any], key: Any) -> Any:
    """The key before another one, `None` before the first."""
    previous = None
    for other in objects:
        if other == key:
            return previous
        previous = other
    return previous


def _list(call: Call) -> Any:
    page = _page(call.row, call.store, call.parents, call.query)
    if not page["data"]:
        _check_parents(call)
    element = _element(call.model)
    page["data"] = [_seen_as(element, call.plan.resource, item, call.store) for item in page["data"]]
    return page


def _element(page: Any) -> Any:
    """The type of a page's objects."""
    return _kind(_fields(page)["data"].type)[1][0]


def _page(row: Row, store: StateStore, parents: Iterable[str], query: Mapping[str, str]) -> dict[str, Any]:
    """One page of a resource's objects, as the query asks for it."""
    resource, parents = _plan(row).resource, tuple(parents)
    order, size, most = _LISTING.get(resource, _ADMIN_LISTING if resource.startswith("admin.") else _USUAL_LISTING)
    if query.get("order", order) not in ("asc", "desc"):
        raise APIError(400, f"Invalid 'order': expected 'asc' or 'desc', but got '{query['order']}'.", param="order")
    objects = (store.below(resource, *parents) if parents else store[resource]).items()
    newest_first = query.get("order", order) == "desc"
    pairs: Iterator[Any] = reversed(objects) if newest_first else iter(objects)
    if cursor := query.get("after") or query.get("page"):
        pairs = _after(pairs, store, resource, _key(parents, cursor), newest_first)
    found, more = _window(pairs, query, _limit(query, size, most))
    return _make_page(row, found, more)


def _make_page(row: Row, items: list[dict[str, Any]], more: bool) -> dict[str, Any]:
    page = _copy(_default(_model(row.model))) | {"data": items, "has_more": more}
    page |= _page_follows(page, {})
    if "next" in page:
        page["next"] = items[-1].get("id", items[-1].get("path")) if more else None
    return page


def _limit(query: Mapping[str, str], size: int, most: int) -> int:
    text = query.get("limit", str(size))
    if not text.isdecimal() or not 1 <= int(text) <= most:
        message = f"Invalid 'limit': expected an integer between 1 and {most}, but got '{text}' instead."
        code = "integer_below_min_value" if text.lstrip("-").isdecimal() and int(text) < 1 else "invalid_value"
        raise APIError(400, message, param="limit", code=code)
    return int(text)


def _window(pairs: Iterator[Any], query: Mapping[str, str], limit: int) -> tuple[list[dict[str, Any]], bool]:
    """The objects up to the cursor `before`, and whether there are more."""
    if before := query.get("before"):
        head = list(_matching(_until(pairs, before), query))
        return head[-limit:], len(head) > limit
    chosen = list(itertools.islice(_matching(pairs, query), limit + 1))
    return chosen[:limit], len(chosen) > limit


def _last(key: Any) -> str:
    return key[-1] if isinstance(key, tuple) else key


def _after(pairs: Iterator[Any], store: StateStore, resource: str, key: Any, newest_first: bool) -> Iterator[Any]:
    """What comes after a cursor, which may be an object deleted since: then from where it stood."""
    cursor, deleted = _last(key), False
    while key not in store[resource] and (resource, key) in store.gone:
        key, deleted = store.gone[resource, key], True
    if deleted and key is None:
        return iter(()) if newest_first else pairs
    for pair in pairs:
        if pair[0] == key:
            return itertools.chain([pair], pairs) if deleted and newest_first else pairs
    raise APIError(400, f"Invalid 'after': no object with id '{cursor}' in this list.", param="after")


def _until(pairs: Iterator[Any], cursor: str) -> Iterator[Any]:
    for key, obj in pairs:
        if _last(key) == cursor:
            return
        yield key, obj
    raise APIError(400, f"Invalid 'before': no object with id '{cursor}' in this list.", param="before")


def _matching(pairs: Iterable[Any], query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The objects whose fields are as the query says; what is no field of theirs does not filter."""
    wanted = {_FILTERS.get(name, name): value for name, value in query.items() if name not in ("id", "object")}
    return (obj for _, obj in pairs if all(_has(obj, name, value) for name, value in wanted.items()))


def _has(obj: Mapping[str, Any], name: str, value: str) -> bool:
    head, *keys = re.findall(r"[^\[\]]+", name)
    if head not in obj:
        return True
    found = functools.reduce(lambda node, key: (node or {}).get(key), keys, obj[head])
    return str(found) == value


def _content(call: Call) -> bytes:
    """The bytes of a stored object, or the default ones."""
    _fetch(call)
    kept = f"{call.plan.resource}.content"
    data = call.store[kept].get(call.key) if kept in _CONTENT_RESOURCES else None
    return _build(call) if data is None else data


def _action(call: Call) -> Any:
    """Changes the object as the action's name tells, and answers with it or with what the action gives."""
    stored = _fetch(call)
    if call.row.name in _ACTIONS:
        stored.update(_realize(_ACTIONS[call.row.name], call.store))
    return _view(call, stored) if _acts_on_itself(call.row) else _build(call)


# Parameters that go by another name in the object they are for.
_RENAMED = {
    "admin.organization.projects.roles": {"role_name": "name"},
    "admin.organization.roles": {"role_name": "name"},
    "admin.organization.projects.users": {"user_id": "id"},
}

# What an action changes in the object it is done to.
_ACTIONS: dict[str, dict[str, Any]] = {
    "admin.organization.projects.archive": {"status": "archived", "archived_at": Now()},
    "beta.agents.automations.pause": {"status": "paused"},
    "beta.agents.automations.resume": {"status": "active"},
    "beta.chatkit.sessions.cancel": {"status": "cancelled"},
    "vector_stores.file_batches.cancel": {"status": "cancelled"},
}


def _singleton(call: Call) -> Any:
    """A resource there is one of: setting it, reading it, and going back to the default."""
    _check_parents(call)
    key = call.parents if len(call.parents) != 1 else call.parents[0]
    objects = call.objects
    if key not in objects and call.row.method != "POST" and f"{call.plan.resource}.delete" in _rows():
        raise _no_such(call.plan.resource, "".join(call.parents), "id")
    if call.row.method == "DELETE":
        objects.pop(key, None)
        return _build(call)
    if key not in objects or call.row.method == "POST":
        built = _build(call)
        objects[key] = objects.get(key, built) | _realize(_taken(call.model, call.body), call.store)
    return objects[key]


_VERBS: Mapping[str, Callable[[Call], Any]] = {
    "action": _action,
    "compute": _build,
    "content": _content,
    "create": _create,
    "delete": _delete,
    "list": _list,
    "retrieve": _retrieve,
    "singleton": _singleton,
    "update": _update,
}


def _check(call: Call) -> None:
    """What the service checks of a request before it answers. Raises its errors."""
    _check_required(call)
    if call.mock._strict:
        _check_api_key(call)
        _check_parameters(call)
    if check := _CHECKS.get(call.row.name):
        check(call)


def _behave(call: Call) -> Any:
    """The answer when nothing was set: what the row's shape says, or its special behaviour."""
    _check(call)
    return (_SPECIALS.get(call.row.name) or _VERBS[call.plan.verb])(call)


# Calls that go on with what another one began, and take their answers from there when they have none of their own.
_GOES_ON = ("beta.threads.runs.submit_tool_outputs",)


def _serve(call: Call, template: Any, given: Mapping[str, Any]) -> Any:
    """The answer when something was set: that, and its traces in the state."""
    call.served = True
    if call.mock._strict:
        _check(call)
    obj = _build(call, template, given)
    if call.mock._strict and call.turn_given:
        _check_said(call, obj)
    if call.plan.verb == "create" or call.row.name in _STORES:
        return _keep(call, obj)
    if call.turn and call.row.name in _GOES_ON and call.key in call.objects:
        return _SPECIALS[call.row.name](call)
    if call.plan.verb == "update" and isinstance(obj, dict):
        call.objects[call.key] = obj
    elif call.plan.verb == "delete":
        _forget(call.store, call.plan.resource, (*call.parents, call.item))
    return obj


# ======================================================================================================================
# SPECIAL BEHAVIOURS
# ======================================================================================================================


def _tokens(text: str) -> int:
    """How many tokens a text counts: one for every four characters begun. Documented, and fixed."""
    return math.ceil(len(text) / 4)


def _text_of(content: Any) -> str:
    """The text in any form of content: a string, parts, messages, items."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(filter(None, map(_text_of, content)))
    if isinstance(content, dict):
        return _text_of(next((content[key] for key in ("text", "value", "content", "output") if content.get(key)), ""))
    return ""


def _fill_embeddings(call: Call, obj: dict[str, Any]) -> dict[str, Any]:
    inputs = _embedding_inputs(call.body.get("input", ""))
    if "data" not in call.given:
        size = int(call.body.get("dimensions") or _DIMENSIONS.get(str(call.body.get("model")), 1536))
        obj["data"] = [
            {"object": "embedding", "index": i, "embedding": _embedding(text, size)} for i, text in enumerate(inputs)
        ]
    if call.body.get("encoding_format") == "base64" and not call.served:  # what was set keeps to the SDK's types
        for item in obj["data"]:
            if isinstance(item["embedding"], list):
                item["embedding"] = base64.b64encode(array.array("f", item["embedding"]).tobytes()).decode()
    if "usage" not in call.given:
        count = sum(map(_tokens, inputs))
        obj["usage"] = {"prompt_tokens": count, "total_tokens": count}
    return obj


_DIMENSIONS = {"text-embedding-3-large": 3072}


def _embedding_inputs(value: Any) -> list[str]:
    """One text for each embedding asked for; token ids count as text of their own."""
    if isinstance(value, list) and value and not isinstance(value[0], int):
        return [item if isinstance(item, str) else json.dumps(item) for item in value]
    return [value if isinstance(value, str) else json.dumps(value)]


@functools.lru_cache(maxsize=1024)
def _embedding(text: str, size: int) -> list[float]:
    """A vector of unit length, the same for the same text everywhere."""
    numbers = random.Random(text)  # an own generator: the global one is the test's
    vector = [numbers.gauss(0, 1) for _ in range(size)]
    length = math.sqrt(sum(x * x for x in vector))
    return [x / length for x in vector]


def _fill_moderations(call: Call, obj: dict[str, Any]) -> dict[str, Any]:
    if "results" not in call.given:
        value = call.body.get("input", "")
        parts = isinstance(value, list) and value and isinstance(value[0], dict)  # several parts are one input
        count = len(value) if isinstance(value, list) and not parts else 1
        tp = _fields(call.model)["results"].type
        obj["results"] = [_realize(_default(_kind(tp)[1][0]), call.store) for _ in range(count)]
    return obj


def _fill_images(call: Call, obj: dict[str, Any]) -> dict[str, Any]:
    if "data" not in call.given:
        obj["data"] = obj["data"] * int(call.body.get("n") or 1)
    wants_url = call.body.get("response_format") == "url" or str(call.body.get("model", "")).startswith("dall-e")
    wants_url = wants_url and call.body.get("response_format") != "b64_json"
    picture = {"url": "https://example.com/image.png"} if wants_url else {"b64_json": base64.b64encode(_PNG).decode()}
    obj["data"] = [item if item.get("url") or item.get("b64_json") else {**item, **picture} for item in obj["data"]]
    return obj


def _fill_chat(call: Call, obj: dict[str, Any]) -> dict[str, Any]:
    if call.turn or "choices" not in call.given:
        count = int(call.body.get("n") or 1)
        obj["choices"] = [{**_copy(obj["choices"][0]), "index": i} for i in range(count)]
    answer = sum(_tokens(_spoken(choice["message"])) for choice in obj["choices"])
    prompt = _tokens(_text_of(call.body.get("messages")))
    return _with_usage(call, obj, {"prompt_tokens": prompt, "completion_tokens": answer})


def _with_usage(call: Call, obj: dict[str, Any], counted: dict[str, int]) -> dict[str, Any]:
    """An answer with the figures nobody set, and their sum."""
    given = call.given.get("usage", {})
    if isinstance(given, Mapping) and obj.get("usage"):
        figures = obj["usage"] | {name: count for name, count in counted.items() if name not in given}
        total = given.get("total_tokens", sum(figures[name] for name in counted))
        obj["usage"] = figures | {"total_tokens": total}
    return obj


def _spoken(message: Mapping[str, Any]) -> str:
    """Everything a model said in a message: text, refusal, the arguments of calls."""
    calls = (call.get("function") or call.get("custom") or {} for call in message.get("tool_calls") or ())
    said = [message.get("content"), message.get("refusal"), *(f.get("arguments") or f.get("input") for f in calls)]
    return "".join(filter(None, said))


def _fill_completion(call: Call, obj: dict[str, Any]) -> dict[str, Any]:
    prompts = call.body.get("prompt") or ""
    prompts = prompts if isinstance(prompts, list) and prompts and isinstance(prompts[0], str) else [prompts]
    if "choices" not in call.given:
        count = int(call.body.get("n") or 1) * len(prompts)
        obj["choices"] = [{**obj["choices"][0], "index": i} for i in range(count)]
    prompt, answer = sum(_tokens(_text_of(p)) for p in prompts), sum(_tokens(c["text"]) for c in obj["choices"])
    return _with_usage(call, obj, {"prompt_tokens": prompt, "completion_tokens": answer})


# ---- progress: objects that are not finished at once -----------------------------------------------------------------


def _later(call: Call, resource: str, key: Any, *changes: Any) -> None:
    """What happens to an object with each retrieve from now on: dicts of fields, or functions that give one."""
    call.store.pending[resource, key] = [call.store[resource][key].get("status"), *changes]


def _advance(call: Call, resource: str, key: Any) -> None:
    """The next change an object has before it; none any more when a test changed its status by hand."""
    pending, obj = call.store.pending.get((resource, key)), call.store[resource].get(key)
    if obj is None:
        return
    if pending and pending[1:] and pending[0] == obj.get("status"):
        _, change, *rest = pending
        obj.update(_realize(change(call, obj) if callable(change) else change, call.store))
        call.store.pending[resource, key] = [obj.get("status"), *rest] if rest else []
    if obj.get("status") in _ACTIVE and isinstance(obj.get("expires_at"), int) and obj["expires_at"] < time.time():
        call.store.pending.pop((resource, key), None)
        obj["status"] = "expired"


_ACTIVE = {"queued", "in_progress", "requires_action", "cancelling", "validating", "pending", "active"}
_RUN_TIME = 600  # seconds a run may take before it expires


def _refuse(message: str, param: str | None = None, code: str | None = None, status: int = 400) -> typing.NoReturn:
    raise APIError(status, message, param=param, code=code)


def _need(call: Call, resource: str, id: Any, param: str) -> dict[str, Any]:
    """An object that a request refers to. Raises the 404 of its resource."""
    if id not in call.store[resource]:
        raise _no_such(resource, str(id), param)
    return _completed(call.store, resource, id)


def _cancel(*stages: dict[str, Any]) -> Callable[[Call], Any]:
    """Cancelling something that goes on; what is over cannot be cancelled."""

    def cancel(call: Call) -> Any:
        obj = _fetch(call)
        if obj["status"] in _OVER:
            _refuse(f"Cannot cancel {_singular(call.plan.resource)} with status '{obj['status']}'.")
        obj.update(_realize(stages[0], call.store))
        _later(call, call.plan.resource, call.key, *stages[1:])
        return _view(call, obj)

    return cancel


_OVER = {"completed", "failed", "cancelled", "canceled", "expired", "succeeded", "incomplete"}


# ---- files and uploads -----------------------------------------------------------------------------------------------


def _fill_file(call: Call, obj: dict[str, Any]) -> dict[str, Any]:
    filename, data, _ = _file(call.body.get("file"))
    expiry = _expiry(call, obj["created_at"])
    return obj | {k: v for k, v in {"filename": filename, "bytes": len(data), **expiry}.items() if k not in call.given}


def _expiry(call: Call, created: int) -> dict[str, int]:
    """When an object expires whose request said after how many seconds, minutes or days."""
    after = call.body.get("expires_after") or {}
    for unit, seconds in (("seconds", 1), ("minutes", 60), ("days", 86400)):
        if unit in after:
            return {"expires_at": created + int(after[unit]) * seconds}
    return {}


def _file(value: Any) -> tuple[str, bytes, str]:
    """A file out of a form: its name, bytes and content type."""
    return value if isinstance(value, tuple) else ("upload", b"", "application/octet-stream")


def _store_file(call: Call, obj: dict[str, Any]) -> Any:
    _remember(call, obj)
    call.store["files.content"][obj["id"]] = _file(call.body.get("file"))[1]
    return obj


def _add_file(store: StateStore, filename: str, data: bytes, purpose: str) -> dict[str, Any]:
    """A file the service itself makes: the output of a batch, a completed upload."""
    obj = _make("FileObject", store, {"filename": filename, "bytes": len(data), "purpose": purpose})
    store["files"][obj["id"]] = obj
    store["files.content"][obj["id"]] = data
    return obj


def _fill_expiry(call: Call, obj: dict[str, Any]) -> dict[str, Any]:
    return obj | {key: value for key, value in _expiry(call, obj["created_at"]).items() if key not in call.given}


def _open_upload(call: Call) -> dict[str, Any]:
    upload = _fetch(call)
    if upload["status"] != "pending":
        _refuse(f"Upload {upload['id']} is {upload['status']} and takes no more changes.", "upload_id")
    return upload


def _add_part(call: Call) -> Any:
    _open_upload(call)
    part = _build(call)
    call.store["uploads.parts"][call.item, part["id"]] = _file(call.body.get("data"))[1]
    return part


def _complete_upload(call: Call) -> Any:
    upload, parts = _open_upload(call), call.store["uploads.parts"]
    ids = call.body.get("part_ids") or []
    if unknown := [id for id in ids if (upload["id"], id) not in parts]:
        _refuse(f"No such Part object: {unknown[0]}", "part_ids")
    data = b"".join(parts[upload["id"], id] for id in ids)
    if len(data) != upload["bytes"]:
        _refuse(f"Expected {upload['bytes']} bytes, but the parts have {len(data)}.", "bytes")
    if call.body.get("md5") not in (None, hashlib.md5(data, usedforsecurity=False).hexdigest()):
        _refuse("The md5 checksum of the parts is not the one given.", "md5")
    upload["file"] = _add_file(call.store, upload["filename"], data, upload["purpose"])
    upload["status"] = "completed"
    return upload


def _cancel_upload(call: Call) -> Any:
    upload = _open_upload(call)
    upload["status"] = "cancelled"
    return upload


def _file_content(call: Call) -> bytes:
    file = _fetch(call)
    return call.store["files.content"].get(call.item, b"mock file content" if file.get("bytes") else b"")


def _delete_file(call: Call) -> Any:
    answer = _delete(call)
    call.store["files.content"].pop(call.item, None)
    for vector_store, file in [key for key in call.store["vector_stores.files"] if key[1] == call.item]:
        _remove_store_file(call.store, vector_store, file)
    return answer


def _store_container_file(call: Call, obj: dict[str, Any]) -> Any:
    _remember(call, obj)
    data = call.store["files.content"].get(call.body.get("file_id"), _file(call.body.get("file"))[1])
    call.store["containers.files.content"][(*call.parents, obj["id"])] = data
    return obj


def _check_container_file(call: Call) -> None:
    if file := call.body.get("file_id"):
        _need(call, "files", file, "file_id")


def _fill_container_file(call: Call, obj: dict[str, Any]) -> dict[str, Any]:
    source = call.store["files"].get(call.body.get("file_id"), {})
    filename, data, _ = _file(call.body.get("file"))
    name, size = source.get("filename", filename), source.get("bytes", len(data))
    values = {"path": f"/mnt/data/{name}", "bytes": size, "source": "assistant" if source else "user"}
    return obj | {key: value for key, value in values.items() if key not in call.given}


# ---- chat completions ------------------------------------------------------------------------------------------------


def _check_chat(call: Call) -> None:
    """Tool messages answer calls of the messages before them."""
    called: set[Any] = set()
    for index, message in enumerate(_dicts(call.body.get("messages"))):
        called |= {tool_call.get("id") for tool_call in _dicts(message.get("tool_calls"))}
        if message.get("role") == "tool" and message.get("tool_call_id") not in called:
            _refuse(
                "Invalid parameter: messages with role 'tool' must be a response to a preceding message with "
                f"'tool_calls': unknown tool_call_id '{message.get('tool_call_id')}'.",
                f"messages.[{index}].tool_call_id",
            )


def _store_chat(call: Call, obj: dict[str, Any]) -> Any:
    if call.body.get("store") in (True, "true"):
        _remember(call, obj)
        obj["metadata"] = call.body.get("metadata")
        for message in _dicts(call.body.get("messages")):
            content, parts = message.get("content"), None
            if isinstance(content, list):
                content, parts = _text_of(content), content
            id = call.store.new_id("msg_")
            stored = {"content": content, "content_parts": parts, "role": message.get("role"), "name": None, "id": id}
            call.store["chat.completions.messages"][obj["id"], id] = message | stored
    return obj


# ---- responses and conversations -------------------------------------------------------------------------------------


def _conversation_id(call: Call) -> str | None:
    conversation = call.body.get("conversation")
    return conversation.get("id") if isinstance(conversation, dict) else conversation


def _check_response(call: Call) -> None:
    previous, conversation = call.body.get("previous_response_id"), _conversation_id(call)
    if previous and conversation:
        _refuse("Only one of 'previous_response_id' and 'conversation' can be given.", "previous_response_id")
    if previous and previous not in call.store["responses"]:
        message = f"Previous response with id '{previous}' not found."
        _refuse(message, "previous_response_id", "previous_response_not_found")
    if conversation:
        _need(call, "conversations", conversation, "conversation")
    known = {item.get("call_id") for item in _context(call) if "output" not in str(item.get("type"))}
    for item in _dicts(call.body.get("input")):
        if str(item.get("type")).endswith("call_output") and item.get("call_id") not in known:
            message = (
                f"No tool call found for {str(item['type']).replace('_', ' ')} with call_id {item.get('call_id')}."
            )
            _refuse(message, "input")


def _context(call: Call) -> list[dict[str, Any]]:
    """The effective conversation of a responses call: all that came before, and its own input."""
    return [*_history(call.store, call.body.get("previous_response_id"), _conversation_id(call)), *call.input_items]


def _history(store: StateStore, previous: Any, conversation: Any) -> list[dict[str, Any]]:
    """The items of a conversation, or of the responses before, oldest first."""
    if conversation:
        return list(store.below("conversations.items", conversation).values())
    turns = []
    while previous in store["responses"]:
        response = store["responses"][previous]
        inputs, outputs = store.inputs.get(previous, []), response.get("output") or []
        turns.append([*inputs, *outputs])
        if in_conversation := (response.get("conversation") or {}).get("id"):
            return _history(store, None, in_conversation)
        previous = response.get("previous_response_id")
    return [item for turn in reversed(turns) for item in turn]


def _item(item: dict[str, Any], store: StateStore) -> dict[str, Any]:
    if item.get("type", "message") == "message" and isinstance(item.get("content"), str):
        kind = "output_text" if item.get("role") == "assistant" else "input_text"
        item = {**item, "content": [{"type": kind, "text": item["content"]}]}
    item = {"type": "message" if "role" in item else item.get("type"), **item}
    completed = item
    with contextlib.suppress(ValueError):  # an item no response ever shows, such as a reference, stays as it is
        completed = _realize(_merge(_model("responses.ResponseItem"), item, "input"), store)
    completed.setdefault("id", store.new_id("item_"))
    return completed | ({"status": "completed"} if completed.get("status", "") is None else {})


def _fill_response(call: Call, obj: dict[str, Any]) -> dict[str, Any]:
    if (conversation := _conversation_id(call)) and "conversation" not in call.given:
        obj["conversation"] = {"id": conversation}
    if obj.get("usage"):
        prompt = _tokens(_text_of(call.body.get("instructions"))) + sum(map(_item_tokens, _context(call)))
        _with_usage(call, obj, {"input_tokens": prompt, "output_tokens": sum(map(_item_tokens, obj["output"]))})
    return obj


def _item_tokens(item: Mapping[str, Any]) -> int:
    return _tokens(_text_of(item) + str(item.get("arguments") or item.get("input") or ""))


def _store_response(call: Call, obj: dict[str, Any]) -> Any:
    if call.body.get("store") is not False:
        call.objects[call.store.new_key("responses", (), obj, "resp_")] = obj
        call.store.inputs[obj["id"]] = call.input_items
        for item in call.input_items:
            call.store["responses.input_items"][obj["id"], item["id"]] = item
    if conversation := _conversation_id(call):
        for item in [*call.input_items, *obj["output"]]:
            call.store["conversations.items"][conversation, item["id"]] = item
    return _in_background(call, obj) if call.body.get("background") is True and not call.streams else obj


def _in_background(call: Call, obj: dict[str, Any]) -> dict[str, Any]:
    """A response that comes true over retrieves."""
    final = {key: obj[key] for key in ("status", "output", "usage", "completed_at", "error", "incomplete_details")}
    obj |= {"status": "queued", "output": [], "usage": None, "completed_at": None}
    _later(call, "responses", obj["id"], {"status": "in_progress"}, final)
    return obj


def _cancel_response(call: Call) -> Any:
    response = _fetch(call)
    if not response.get("background"):
        _refuse("Only background responses can be cancelled.", "response_id")
    if response["status"] not in _OVER:
        call.store.pending.pop(("responses", call.key), None)
        response["status"] = "cancelled"
    return response


def _count_tokens(call: Call) -> Any:
    instructions = _tokens(_text_of(call.body.get("instructions")))
    return _build(call) | {"input_tokens": instructions + sum(map(_item_tokens, _context(call)))}


def _compact(call: Call) -> Any:
    """What the user said stays, the rest becomes one compaction item."""
    _check_response(call)
    compacted = _build(call)
    said = [item for item in _context(call) if item.get("role") == "user"]
    return compacted | {"output": [*map(_as_output, said), *compacted["output"]]}


def _as_output(item: Mapping[str, Any]) -> dict[str, Any]:
    text = {"type": "output_text", "text": _text_of(item), "annotations": []}
    return {"id": item["id"], "type": "message", "role": "assistant", "status": "completed", "content": [text]}


def _store_conversation(call: Call, obj: dict[str, Any]) -> Any:
    _remember(call, obj)
    for item in call.input_items:
        call.store["conversations.items"][obj["id"], item["id"]] = item
    return obj


def _add_items(call: Call) -> Any:
    _check_parents(call)
    for item in call.input_items:
        call.objects[(*call.parents, item["id"])] = item
    page = _build(call) | {"data": call.input_items}
    return page | _page_follows(page, {})


def _delete_item(call: Call) -> Any:
    """Deleting an item answers with its conversation."""
    _fetch(call)
    _forget(call.store, "conversations.items", (*call.parents, call.item))
    return call.store["conversations"][call.parents[0]]


# ---- assistants: threads, messages, runs -----------------------------------------------------------------------------


def _blocks(content: Any) -> list[dict[str, Any]]:
    """Content as a message shows it: text in blocks, with annotations."""
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    return [
        {**part, "text": {"value": part["text"], "annotations": []}} if isinstance(part.get("text"), str) else part
        for part in _dicts(content)
    ]


def _fill_message(call: Call, obj: dict[str, Any]) -> dict[str, Any]:
    if "content" not in call.given and "content" in call.body:
        obj["content"] = _blocks(call.body["content"])
    return obj


def _store_message(call: Call, obj: dict[str, Any]) -> Any:
    _remember(call, obj)
    _attach(call, call.parents[0], call.body)
    return obj


def _add_message(call: Call, thread: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """A message of a thread from what was said of it."""
    path = "beta.threads.Message"
    fields = _taken(_model(path), {**said, "thread_id": thread}) | {"content": _blocks(said.get("content"))}
    message = _make(path, call.store, fields)
    call.store["beta.threads.messages"][thread, message["id"]] = message
    _attach(call, thread, said)
    return message


def _attach(call: Call, thread: str, message: Mapping[str, Any]) -> None:
    """Makes the files attached to a message searchable, or readable, in its thread."""
    resources = call.store["beta.threads"].get(thread, {}).get("tool_resources") or {}
    for attachment in _dicts(message.get("attachments")):
        kinds = {tool.get("type") for tool in _dicts(attachment.get("tools"))}
        if "file_search" in kinds:
            search = resources.setdefault("file_search", {})
            stores = search.setdefault("vector_store_ids", []) or [_add_vector_store(call, {})["id"]]
            search["vector_store_ids"] = stores
            _add_store_file(call, stores[0], {"file_id": attachment.get("file_id")})
        if "code_interpreter" in kinds:
            resources.setdefault("code_interpreter", {}).setdefault("file_ids", []).append(attachment.get("file_id"))
    if resources and thread in call.store["beta.threads"]:
        call.store["beta.threads"][thread]["tool_resources"] = resources


def _fill_tool_resources(call: Call, obj: dict[str, Any]) -> dict[str, Any]:
    """Vector stores described in `tool_resources` come into being, and their ids take the description's place."""
    if "tool_resources" in call.given or not call.body.get("tool_resources"):
        return obj
    resources = {kind: dict(resource) for kind, resource in call.body["tool_resources"].items() if resource}
    for described in _dicts(resources.get("file_search", {}).pop("vector_stores", None)):
        made = _add_vector_store(call, described)
        resources["file_search"].setdefault("vector_store_ids", []).append(made["id"])
    return obj | {"tool_resources": resources}


def _store_thread(call: Call, obj: dict[str, Any]) -> Any:
    call.store["beta.threads"][call.store.new_key("beta.threads", (), obj, "thread_")] = obj
    for message in _dicts(call.body.get("messages")):
        _add_message(call, obj["id"], message)
    return obj


# What a run takes from its assistant when its own request does not say it.
_INHERITED = ("model", "instructions", "tools", "temperature", "top_p", "response_format")


def _check_run(call: Call) -> None:
    _need(call, "beta.assistants", call.body.get("assistant_id"), "assistant_id")
    if call.mock._strict and (thread := call.params.get("thread_id")):
        for run in call.store.below("beta.threads.runs", thread).values():
            if run["status"] in _ACTIVE:
                _refuse(f"Thread {thread} already has an active run {run['id']}.")


def _fill_run(call: Call, obj: dict[str, Any]) -> dict[str, Any]:
    assistant = call.store["beta.assistants"].get(call.body.get("assistant_id"), {})
    inherited = {key: assistant[key] for key in _INHERITED if assistant.get(key) is not None}
    said = {key for key, value in call.body.items() if value is not None}
    obj |= {key: value for key, value in inherited.items() if key not in said | call.given.keys()}
    if more := call.body.get("additional_instructions"):
        obj["instructions"] = f"{obj['instructions']} {more}".strip()
    return obj


def _store_run(call: Call, obj: dict[str, Any]) -> Any:
    thread = obj["thread_id"]
    for message in _dicts(call.body.get("additional_messages")):
        _add_message(call, thread, message)
    runs = call.store["beta.threads.runs"]
    runs[call.store.new_key("beta.threads.runs", (thread,), obj, "run_")] = obj
    call.store.makers[thread, obj["id"]] = call.row.name
    if call.unfinished:
        _start_run(call, obj, call.turn or _default_turn(obj))
    elif obj.get("required_action"):
        _add_call_step(call.store, obj, obj["required_action"]["submit_tool_outputs"]["tool_calls"])
    return obj


def _start_run(call: Call, run: dict[str, Any], turn: Turn | None) -> None:
    """Queues a run; what it will say in the end is known from here."""
    run |= {"status": "queued", "started_at": None, "completed_at": None, "required_action": None, "usage": None}
    run["expires_at"] = int(time.time()) + _RUN_TIME
    turn = turn or Turn(DEFAULT_TEXT)
    working = {"status": "in_progress", "started_at": Now()}
    _later(call, "beta.threads.runs", (run["thread_id"], run["id"]), working, functools.partial(_finish_run, turn=turn))


def _finish_run(call: Call, run: dict[str, Any], turn: Turn) -> dict[str, Any]:
    """What the end of a run changes in it; its message and its step come into being beside it."""
    usage = _run_usage(call.store, run, turn)
    if turn.tool_calls:
        calls = [_run_tool_call(made, call.store) for made in turn.tool_calls]
        _add_call_step(call.store, run, calls)
        action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}
        return {"status": "requires_action", "required_action": action}
    content = [{"type": "refusal", "refusal": turn.refusal}] if turn.refusal else turn.text or ""
    said = {"role": "assistant", "content": content, "run_id": run["id"], "assistant_id": run["assistant_id"]}
    message = _add_message(call, run["thread_id"], said)
    details = {"type": "message_creation", "message_creation": {"message_id": message["id"]}}
    _add_step(call.store, run, details, usage=usage)
    if turn.stop:
        reason = {"length": "max_tokens"}.get(turn.stop, turn.stop)
        message |= {"status": "incomplete", "incomplete_details": {"reason": reason}}
        return {"status": "incomplete", "incomplete_details": {"reason": "max_completion_tokens"}, "usage": usage}
    return {"status": "completed", "completed_at": Now(), "expires_at": None, "usage": usage}


def _add_call_step(store: StateStore, run: Mapping[str, Any], calls: list[dict[str, Any]]) -> None:
    """The step of a run that waits for tools."""
    waiting = {"status": "in_progress", "completed_at": None, "usage": None}
    _add_step(store, run, {"type": "tool_calls", "tool_calls": calls}, **waiting)


def _run_usage(store: StateStore, run: Mapping[str, Any], turn: Turn) -> dict[str, int]:
    messages = store.below("beta.threads.messages", run["thread_id"]).values()
    prompt = _tokens(run.get("instructions") or "") + sum(_tokens(_message_text(message)) for message in messages)
    answer = _tokens(turn.text or turn.refusal or "") + sum(
        _tokens(tool_call.arguments) for tool_call in turn.tool_calls
    )
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}


def _message_text(message: Mapping[str, Any]) -> str:
    return "".join(block["text"]["value"] for block in message["content"] if block["type"] == "text")


def _run_tool_call(tool_call: ToolCall, store: StateStore) -> dict[str, Any]:
    return {"id": tool_call.id or store.new_id("call_"), "type": "function", "function": _function(tool_call)}


def _add_step(store: StateStore, run: Mapping[str, Any], details: dict[str, Any], **fields: Any) -> dict[str, Any]:
    if details["type"] == "tool_calls":
        calls = [{**call, "function": {**call["function"], "output": None}} for call in details["tool_calls"]]
        details = {**details, "tool_calls": calls}
    about = {"assistant_id": run["assistant_id"], "thread_id": run["thread_id"], "run_id": run["id"]}
    about |= {"type": details["type"], "step_details": details, **fields}
    step = _make("beta.threads.runs.RunStep", store, about)
    store["beta.threads.runs.steps"][run["thread_id"], run["id"], step["id"]] = step
    return step


def _check_submit(call: Call) -> None:
    """Tool outputs are for a run that waits for them, and for the calls it made."""
    run = _fetch(call)
    if run["status"] != "requires_action":
        _refuse(f"Runs in status '{run['status']}' do not accept tool outputs.")
    expected = [made["id"] for made in run["required_action"]["submit_tool_outputs"]["tool_calls"]]
    given = [output.get("tool_call_id") for output in _dicts(call.body.get("tool_outputs"))]
    if wrong := [id for id in given if id not in expected] or [id for id in expected if id not in given]:
        _refuse(f"Expected tool outputs for call_ids {expected}, but '{wrong[0]}' is not as expected.", "tool_outputs")


def _submit_tool_outputs(call: Call) -> Any:
    _check_submit(call)
    run = _fetch(call)
    outputs = {output.get("tool_call_id"): output.get("output") for output in _dicts(call.body.get("tool_outputs"))}
    for step in call.store.below("beta.threads.runs.steps", *call.parents, call.item).values():
        if step["status"] == "in_progress":
            _complete_step(step, outputs)
    _start_run(call, run, call.turn or _default_turn({**run, "tool_choice": None}))
    return run


def _complete_step(step: dict[str, Any], outputs: Mapping[Any, Any]) -> None:
    for tool_call in step["step_details"]["tool_calls"]:
        tool_call["function"]["output"] = outputs.get(tool_call["id"])
    step |= {"status": "completed", "completed_at": int(time.time())}


def _create_and_run(call: Call, run: Any = None) -> Any:
    """A thread, and a run on it."""
    thread_call = call.sub("beta.threads.create", call.body.get("thread") or {})
    thread = _store_thread(thread_call, _build(thread_call))
    run = run or _build(call)
    return _store_run(call, run | {"thread_id": thread["id"]})


# ---- vector stores ---------------------------------------------------------------------------------------------------


def _store_vector_store(call: Call, obj: dict[str, Any]) -> Any:
    _remember(call, obj)
    for file in call.body.get("file_ids") or ():
        _add_store_file(call, obj["id"], {"file_id": file, "chunking_strategy": call.body.get("chunking_strategy")})
    return obj


def _check_vector_store(call: Call) -> None:
    for file in call.body.get("file_ids") or ():
        _need(call, "files", file, "file_ids")


def _add_vector_store(call: Call, said: dict[str, Any]) -> dict[str, Any]:
    """A vector store made along with something else."""
    inner = call.sub("vector_stores.create", said)
    return _store_vector_store(inner, _build(inner))


def _check_store_file(call: Call) -> None:
    for said in _batch_files(call.body):
        _need(call, "files", said.get("file_id"), "file_id")


def _fill_store_file(call: Call, obj: dict[str, Any]) -> dict[str, Any]:
    return obj | {k: v for k, v in _store_file_fields(call, call.parents[0], call.body).items() if k not in call.given}


def _store_file_fields(call: Call, vector_store: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """What a file is in a vector store, from what was said of it."""
    id = said.get("file_id")
    fields = {"vector_store_id": vector_store, "usage_bytes": len(call.store["files.content"].get(id, b""))}
    fields |= {"id": id} if id else {}
    fields |= {"attributes": said["attributes"]} if said.get("attributes") else {}
    strategy = said.get("chunking_strategy") or {}
    return fields | ({"chunking_strategy": strategy} if strategy.get("type") == "static" else {})


def _add_store_file(call: Call, vector_store: str, said: Mapping[str, Any]) -> dict[str, Any]:
    fields = _store_file_fields(call, vector_store, said)
    return _put_store_file(call, _make("vector_stores.VectorStoreFile", call.store, fields))


def _put_store_file(call: Call, file: dict[str, Any]) -> dict[str, Any]:
    files, key = call.store["vector_stores.files"], (file["vector_store_id"], file["id"])
    if key in files:
        _tally(call.store, files[key], -1)
    files[key] = file
    _tally(call.store, file, 1)
    return file


def _tally(store: StateStore, file: Mapping[str, Any], sign: int) -> None:
    """Keeps a vector store's counts as its files come and go."""
    if owner := store["vector_stores"].get(file["vector_store_id"]):
        owner = _completed(store, "vector_stores", file["vector_store_id"])
        counts = owner["file_counts"]
        counts[file["status"]] = counts.get(file["status"], 0) + sign
        counts["total"] += sign
        owner |= {"usage_bytes": owner["usage_bytes"] + sign * file["usage_bytes"], "last_active_at": int(time.time())}


def _delete_store_file(call: Call) -> Any:
    _fetch(call)
    _remove_store_file(call.store, call.parents[0], call.item)
    return _build(call)


def _remove_store_file(store: StateStore, vector_store: str, file: str) -> None:
    _tally(store, store["vector_stores.files"][vector_store, file], -1)
    _forget(store, "vector_stores.files", (vector_store, file))
    batches = store["vector_stores.file_batches.files"]
    for key in [key for key in batches if key[::2] == (vector_store, file)]:
        del batches[key]


def _batch_files(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The files a batch is to take in, whichever way the request names them."""
    common = {key: body.get(key) for key in ("attributes", "chunking_strategy")}
    ids = [body["file_id"]] if "file_id" in body else body.get("file_ids") or []
    return [*({"file_id": id, **common} for id in ids), *_dicts(body.get("files"))]


def _store_file_batch(call: Call, obj: dict[str, Any]) -> Any:
    _remember(call, obj)
    files = [_add_store_file(call, call.parents[0], said) for said in _batch_files(call.body)]
    for file in files:
        call.store["vector_stores.file_batches.files"][(*call.parents, obj["id"], file["id"])] = file
    if call.unfinished:
        obj["file_counts"] |= {"completed": len(files), "total": len(files)}
    return obj


def _store_file_content(call: Call) -> Any:
    _check_parents(call)
    text = _file_text(call.store, call.parents[-1])
    return _make_page(call.row, [{"type": "text", "text": text}], False)


def _file_text(store: StateStore, id: str) -> str:
    return store["files.content"].get(id, b"").decode(errors="replace")


def _search(call: Call) -> Any:
    """The chunks of a store's files that share words with the query, best first."""
    _fetch(call)
    query = call.body.get("query") or ""
    queries = query if isinstance(query, list) else [query]
    files = list(call.store.below("vector_stores.files", call.item).values())
    files = [file for file in files if _passes(call.body.get("filters"), file.get("attributes") or {})]
    chunks = [(file, chunk) for file in files for chunk in _chunks(file, _file_text(call.store, file["id"]))]
    ranked = _rank(_words(" ".join(queries)), [_words(chunk) for _, chunk in chunks])
    threshold = (call.body.get("ranking_options") or {}).get("score_threshold") or 0
    hits = [(score, *chunks[i]) for score, i in ranked if score > 0 and score >= threshold]
    most = call.body.get("max_num_results", 10)
    if not isinstance(most, int) or not 1 <= most <= 50:
        _refuse(
            f"Invalid 'max_num_results': expected an integer between 1 and 50, but got {most!r}.", "max_num_results"
        )
    results = [_hit(call.store, *hit) for hit in hits[:most]]
    rewritten = [" ".join(_words(query)) for query in queries] if call.body.get("rewrite_query") else queries
    page = _make_page(call.row, results, False)
    return page | {"object": "vector_store.search_results.page", "search_query": rewritten}


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _chunks(file: Mapping[str, Any], text: str) -> list[str]:
    """A text cut as the file's chunking strategy says, at four characters a token."""
    static = (file.get("chunking_strategy") or {}).get("static") or {}
    size, overlap = 4 * static.get("max_chunk_size_tokens", 800), 4 * static.get("chunk_overlap_tokens", 400)
    return [text[start : start + size] for start in range(0, max(len(text) - overlap, 1), max(size - overlap, 1))]


def _rank(query: list[str], texts: list[list[str]]) -> list[tuple[float, int]]:
    """(score, position) of each text, best first: rare words of the query count more; 1 is all of them."""
    holding = {word: sum(word in text for text in map(set, texts)) for word in set(query)}
    weights = {word: math.log(1 + len(texts) / count) for word, count in holding.items() if count}
    whole = sum(weights.values()) + (len(holding) - len(weights)) or 1
    scores = [sum(weights[word] for word in weights.keys() & set(text)) / whole for text in texts]
    return sorted(((round(score, 6), i) for i, score in enumerate(scores)), key=lambda pair: (-pair[0], pair[1]))


def _hit(store: StateStore, score: float, file: Mapping[str, Any], chunk: str) -> dict[str, Any]:
    filename = store["files"].get(file["id"], {}).get("filename", file["id"])
    about = {"file_id": file["id"], "filename": filename, "attributes": file.get("attributes") or {}}
    return about | {"score": score, "content": [{"type": "text", "text": chunk}]}


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


def _passes(condition: Any, attributes: Mapping[str, Any]) -> bool:
    """Whether a file's attributes are as a filter wants them."""
    if not condition:
        return True
    if condition.get("type") in ("and", "or"):
        parts = (_passes(part, attributes) for part in condition.get("filters") or ())
        return all(parts) if condition["type"] == "and" else any(parts)
    if (compare := _COMPARISONS.get(condition.get("type"))) is None:
        _refuse(f"Invalid filter type: '{condition.get('type')}'.", "filters")
    if condition["key"] not in attributes:
        return condition["type"] in ("ne", "nin")
    try:
        return compare(attributes[condition["key"]], condition["value"])
    except TypeError:
        _refuse(f"Invalid filter value for '{condition['key']}': {condition['value']!r}.", "filters")


# ---- batches ---------------------------------------------------------------------------------------------------------


def _check_batch(call: Call) -> None:
    _need(call, "files", call.body.get("input_file_id"), "input_file_id")


def _store_batch(call: Call, obj: dict[str, Any]) -> Any:
    _remember(call, obj)
    if call.unfinished:
        obj["expires_at"] = obj["created_at"] + 86400
        lines = _file_text(call.store, obj["input_file_id"]).splitlines()
        obj["request_counts"] = {"total": len([line for line in lines if line.strip()]), "completed": 0, "failed": 0}
        _later(call, "batches", obj["id"], {"status": "in_progress", "in_progress_at": Now()}, _finish_batch)
    return obj


def _finish_batch(call: Call, batch: dict[str, Any]) -> dict[str, Any]:
    """Answers every line of a batch, and what the end of it changes in the batch."""
    lines = [line for line in _file_text(call.store, batch["input_file_id"]).splitlines() if line.strip()]
    results = [_answer_line(call, line) for line in lines]
    good = [result for result in results if (result["response"] or {}).get("status_code") == 200]
    bad = [result for result in results if result not in good]
    files = {
        f"{kind}_file_id": _add_file(call.store, f"{batch['id']}_{kind}.jsonl", _jsonl(some), "batch_output")["id"]
        for kind, some in (("output", good), ("error", bad))
        if some
    }
    counts = {"total": len(results), "completed": len(good), "failed": len(bad)}
    return {"status": "completed", "completed_at": Now(), "finalizing_at": Now(), "request_counts": counts, **files}


def _jsonl(objects: Iterable[Any]) -> bytes:
    return "".join(f"{_encode(obj)}\n" for obj in objects).encode()


def _answer_line(call: Call, line: str) -> dict[str, Any]:
    """The result of one line: the answer of the endpoint it names."""
    result: dict[str, Any] = {"id": call.store.new_id("batch_req_"), "custom_id": None, "response": None, "error": None}
    try:
        said = _json_object(line.encode())
        result["custom_id"] = said.get("custom_id")
        response = call.mock._answer_line(said)
    except APIError as error:
        return result | {"error": {"code": error.error["code"] or "invalid_request", "message": str(error)}}
    body = json.loads(response.content)
    about = {"status_code": response.status_code, "request_id": response.headers.get("x-request-id", ""), "body": body}
    return result | {"response": about}


# ---- fine-tuning -----------------------------------------------------------------------------------------------------


def _check_fine_tuning(call: Call) -> None:
    for param in ("training_file", "validation_file"):
        if file := call.body.get(param):
            _need(call, "files", file, param)


def _store_fine_tuning(call: Call, job: dict[str, Any]) -> Any:
    _remember(call, job)
    _add_event(call.store, job, f"Created fine-tuning job: {job['id']}")
    if call.unfinished:
        running = functools.partial(_move_job, status="running", message="Fine-tuning job started")
        queued = functools.partial(_move_job, status="queued", message="Files validated, moving job to queued state")
        finish = functools.partial(_finish_job, suffix=call.body.get("suffix") or "")
        _later(call, "fine_tuning.jobs", job["id"], queued, running, finish)
    return job


def _add_event(store: StateStore, job: Mapping[str, Any], message: str) -> None:
    event = _make("fine_tuning.FineTuningJobEvent", store, {"message": message, "type": "message"})
    store["fine_tuning.jobs.events"][job["id"], event["id"]] = event


def _move_job(call: Call, job: dict[str, Any], status: str, message: str) -> dict[str, Any]:
    _add_event(call.store, job, message)
    return {"status": status}


def _finish_job(call: Call, job: dict[str, Any], suffix: str) -> dict[str, Any]:
    """The end of a job: a checkpoint, and a model that is listed from now on."""
    name = f"ft:{job['model']}:{job['organization_id']}:{suffix}:{job['id'].removeprefix('ftjob-')}"
    about = {"fine_tuning_job_id": job["id"], "fine_tuned_model_checkpoint": name, "step_number": 100}
    checkpoint = _make("fine_tuning.jobs.FineTuningJobCheckpoint", call.store, about)
    call.store["fine_tuning.jobs.checkpoints"][job["id"], checkpoint["id"]] = checkpoint
    model = {"id": name, "object": "model", "created": int(time.time()), "owned_by": job["organization_id"]}
    call.store["models"][name] = model
    _add_event(call.store, job, "The job has successfully completed")
    tokens = _tokens(_file_text(call.store, job["training_file"]))
    return {"status": "succeeded", "fine_tuned_model": name, "finished_at": Now(), "trained_tokens": tokens}


def _pause_job(call: Call) -> Any:
    job, key = _fetch(call), ("fine_tuning.jobs", call.key)
    if job["status"] in _OVER:
        _refuse(f"Cannot pause a job with status '{job['status']}'.")
    call.store.paused[key] = call.store.pending.pop(key, [])
    return job


def _resume_job(call: Call) -> Any:
    job, key = _fetch(call), ("fine_tuning.jobs", call.key)
    if key not in call.store.paused:
        _refuse(f"Cannot resume a job with status '{job['status']}': it is not paused.")
    _later(call, *key, *call.store.paused.pop(key)[1:])
    return job


# ---- models ----------------------------------------------------------------------------------------------------------

# Where the SDK lists the models it knows.
_MODEL_LISTS = (
    "ChatModel",
    "shared.ResponsesModel",
    "EmbeddingModel",
    "ModerationModel",
    "AudioModel",
    "audio.SpeechModel",
    "ImageModel",
    "VideoModel",
)


@functools.cache
def _known_models() -> tuple[str, ...]:
    """The names in the SDK's own literals."""
    return tuple(dict.fromkeys(name for path in _MODEL_LISTS for name in _literals(_model(path))))


def _with_models(verb: Callable[[Call], Any]) -> Callable[[Call], Any]:
    """A verb on models, of which the service has some from the start."""

    def with_models(call: Call) -> Any:
        if _known_models()[0] not in call.objects:
            for id in _known_models():
                about = {"id": id, "object": "model", "created": 1687882411, "owned_by": "openai"}
                call.objects.setdefault(id, about)
        return verb(call)

    return with_models


def _delete_model(call: Call) -> Any:
    if _fetch(call)["owned_by"] in ("openai", "system"):
        _refuse("You have insufficient permissions for this operation.", status=403)
    return _delete(call)


# ---- what is assigned, activated, remixed ----------------------------------------------------------------------------


# What can be assigned to what: the parameter that names it, and where it and what it is assigned to are found. The
# role, user or group itself is stored below what it is assigned to.
_ASSIGNMENTS = {
    "admin.organization.groups.roles.create": ("role_id", "admin.organization.roles"),
    "admin.organization.groups.users.create": ("user_id", "admin.organization.users"),
    "admin.organization.projects.groups.create": ("group_id", "admin.organization.groups"),
    "admin.organization.projects.groups.roles.create": ("role_id", "admin.organization.projects.roles"),
    "admin.organization.projects.users.roles.create": ("role_id", "admin.organization.projects.roles"),
    "admin.organization.users.roles.create": ("role_id", "admin.organization.roles"),
}


def _assign(call: Call, obj: dict[str, Any]) -> Any:
    """Stores an assignment, and shows both sides of it in the answer."""
    param, source = _ASSIGNMENTS[call.row.name]
    id = call.body.get(param) or obj.get(param) or call.store.new_id(param.replace("id", ""))
    path = (*call.parents[: len(_resources().get(source, ()))], id)
    assigned = {**call.store[source].get(_key(path[:-1], id), {}), "id": id, param: id}
    call.objects[(*call.parents, id)] = {**obj, **assigned} if param == "group_id" else assigned
    owner = call.store[_parent(call.plan.resource)].get(_key(call.parents[:-1], call.parents[-1]), {})
    sides = {param.removesuffix("_id"): assigned, call.plan.parents[-1].removesuffix("_id"): owner}
    for kind, side in sides.items():
        if isinstance(obj.get(kind), dict):
            obj[kind] |= _taken(_fields(call.model)[kind].type, side) | ({"id": side["id"]} if "id" in side else {})
    if param == "group_id":
        obj["group_name"] = assigned.get("name", obj["group_name"])
        call.objects[(*call.parents, id)] |= {"group_name": obj["group_name"]}
    return obj


def _set_active(active: bool) -> Callable[[Call], Any]:
    """Activates or deactivates certificates, of the organization or of a project."""

    def change(call: Call) -> Any:
        _check_parents(call)
        changed = []
        for id in call.body.get("certificate_ids") or ():
            certificate = _need(call, "admin.organization.certificates", id, "certificate_ids")
            if call.parents:
                certificate = {**certificate, "object": "organization.project.certificate"}
                call.store["admin.organization.projects.certificates"][(*call.parents, id)] = certificate
            certificate["active"] = active
            changed.append(_seen_as(_element(call.model), "admin.organization.certificates", certificate, call.store))
        return _make_page(call.row, changed, False)

    return change


def _new_video(call: Call) -> Any:
    """A video made from another."""
    video = call.body.get("video")
    source = call.params.get("video_id") or (video.get("id") if isinstance(video, dict) else None)
    if source:
        _need(call, "videos", source, "video_id")
    video = _build(call) | {"id": call.store.new_id("video_"), "remixed_from_video_id": source}
    return _store_video(call, video)


def _store_video(call: Call, video: dict[str, Any]) -> Any:
    call.store["videos"][call.store.new_key("videos", (), video, "video_")] = video
    if call.unfinished:
        video |= {"status": "queued", "progress": 0, "completed_at": None}
        done = {"status": "completed", "progress": 100, "completed_at": Now()}
        _later(call, "videos", video["id"], {"status": "in_progress", "progress": 50}, done)
    return video


def _store_eval_run(call: Call, run: dict[str, Any]) -> Any:
    _remember(call, run)
    if call.unfinished:
        _later(call, "evals.runs", (*call.parents, run["id"]), {"status": "in_progress"}, {"status": "completed"})
    return run


def _cancel_eval_run(call: Call) -> Any:
    run = _fetch(call)
    call.store.pending.pop(("evals.runs", call.key), None)
    run["status"] = "canceled"
    return _view(call, run)


def _store_skill_version(call: Call, obj: dict[str, Any]) -> Any:
    skill = call.store["skills"].get(call.parents[0], {})
    number = str(int(skill.get("latest_version") or 0) + 1)
    obj |= {"version": number, "skill_id": call.parents[0]}
    call.objects[(*call.parents, number)] = obj
    call.store["skills.versions.content"][(*call.parents, number)] = _skill_content(call)
    skill["latest_version"] = number
    if call.body.get("default") in (True, "true"):
        skill["default_version"] = number
    return obj


def _fill_skill(call: Call, obj: dict[str, Any]) -> dict[str, Any]:
    """A skill's name and description, as the head of its SKILL.md says them."""
    head = "\n".join(data.decode(errors="replace") for _, data, _ in _files(call.body))
    said = dict(re.findall(r"^(name|description): *(.+)$", head, re.MULTILINE))
    return obj | {key: value.strip() for key, value in said.items() if key not in call.given}


def _files(body: Mapping[str, Any]) -> list[tuple[str, bytes, str]]:
    value = body.get("files") or []
    return [file for file in (value if isinstance(value, list) else [value]) if isinstance(file, tuple)]


def _skill_content(call: Call) -> bytes:
    return b"".join(data for _, data, _ in _files(call.body)) or b"mock content"


def _store_skill(call: Call, obj: dict[str, Any]) -> Any:
    """A skill comes with its first version."""
    _remember(call, obj)
    call.store["skills.content"][obj["id"]] = call.store["skills.versions.content"][obj["id"], "1"] = _skill_content(
        call
    )
    version = _make("skills.SkillVersion", call.store, {"skill_id": obj["id"], "version": "1"})
    call.store["skills.versions"][obj["id"], "1"] = version
    return obj


def _create_permissions(call: Call) -> Any:
    """A permission for each project named."""
    made = []
    for project in call.body.get("project_ids") or ():
        permission = _make("fine_tuning.checkpoints.PermissionCreateResponse", call.store, {"project_id": project})
        call.objects[(*call.parents, permission["id"])] = permission
        made.append(permission)
    return _make_page(call.row, made, False)


def _rotate_secret(call: Call) -> Any:
    secret = {"signing_secret": call.store.new_id("whsec_")}
    return {**_view(call, _fetch(call)), **secret}


def _add_api_key(call: Call) -> Any:
    """An API key of a service account, listed among the project's."""
    _fetch(call)
    return _keep_api_key(call, _build(call) | {"id": call.store.new_id("key_")})


def _keep_api_key(call: Call, key: dict[str, Any]) -> dict[str, Any]:
    path = "admin.organization.projects.ProjectAPIKey"
    stored = _make(path, call.store, _taken(_model(path), key))
    call.store["admin.organization.projects.api_keys"][(*call.parents, key["id"])] = stored
    return key


def _store_service_account(call: Call, obj: dict[str, Any]) -> Any:
    """A service account comes with a key."""
    _remember(call, obj)
    obj["api_key"] = obj["api_key"] or _realize(_default(_kind(_fields(call.model)["api_key"].type)[1][0]), call.store)
    _keep_api_key(call, obj["api_key"])
    return obj


def _list_projects(call: Call) -> Any:
    """Archived projects are listed when asked for."""
    if call.query.get("include_archived") != "true":
        call.query = {**call.query, "status": "active"}
    return _list(call)


def _constant(value: Any) -> Callable[[Call, Any], Any]:
    return lambda call, obj: obj if call.given else value


# What the real service checks before it answers, by row; not done where the test set the answer, unless strictly.
_CHECKS: Mapping[str, Callable[[Call], None]] = {
    "batches.create": _check_batch,
    "beta.responses.create": _check_response,
    "beta.threads.create_and_run": _check_run,
    "beta.threads.runs.create": _check_run,
    "beta.threads.runs.submit_tool_outputs": _check_submit,
    "chat.completions.create": _check_chat,
    "containers.files.create": _check_container_file,
    "fine_tuning.jobs.create": _check_fine_tuning,
    "responses.create": _check_response,
    "vector_stores.create": _check_vector_store,
    "vector_stores.file_batches.create": _check_store_file,
    "vector_stores.files.create": _check_store_file,
}


def _fill_transcription(call: Call, obj: Any) -> Any:
    """A transcript by speakers has a segment at least."""
    if call.body.get("response_format") == "diarized_json" and "segments" not in call.given:
        segment = {"id": "seg_001", "type": "transcript.text.segment", "speaker": "A", "start": 0.0, "end": 1.0}
        obj["segments"] = [segment | {"text": obj["text"]}]
    return obj


# Fields that only the request can tell, by row: a function of call and object, giving the object.
_FILLS: Mapping[str, Callable[[Call, Any], Any]] = {
    "audio.speech.create": _constant(_MP3),
    "audio.transcriptions.create": _fill_transcription,
    "beta.assistants.create": _fill_tool_resources,
    "beta.responses.create": _fill_response,
    "beta.threads.create": _fill_tool_resources,
    "beta.threads.create_and_run": _fill_run,
    "beta.threads.messages.create": _fill_message,
    "beta.threads.runs.create": _fill_run,
    "chat.completions.create": _fill_chat,
    "completions.create": _fill_completion,
    "containers.files.create": _fill_container_file,
    "embeddings.create": _fill_embeddings,
    "files.content": _constant(b"mock file content"),
    "files.create": _fill_file,
    "images.create_variation": _fill_images,
    "images.edit": _fill_images,
    "images.generate": _fill_images,
    "moderations.create": _fill_moderations,
    "responses.create": _fill_response,
    "skills.create": _fill_skill,
    "skills.versions.create": _fill_skill,
    "uploads.create": _fill_expiry,
    "vector_stores.create": _fill_expiry,
    "vector_stores.files.create": _fill_store_file,
}

# How what was created is kept, where that takes more than putting it under its key; gives what is answered.
_STORES: Mapping[str, Callable[[Call, Any], Any]] = {
    **dict.fromkeys(_ASSIGNMENTS, _assign),
    "admin.organization.projects.service_accounts.create": _store_service_account,
    "batches.create": _store_batch,
    "beta.responses.create": _store_response,
    "beta.threads.create": _store_thread,
    "beta.threads.create_and_run": _create_and_run,
    "beta.threads.messages.create": _store_message,
    "beta.threads.runs.create": _store_run,
    "chat.completions.create": _store_chat,
    "containers.files.create": _store_container_file,
    "conversations.create": _store_conversation,
    "evals.runs.create": _store_eval_run,
    "files.create": _store_file,
    "fine_tuning.jobs.create": _store_fine_tuning,
    "responses.create": _store_response,
    "skills.create": _store_skill,
    "skills.versions.create": _store_skill_version,
    "vector_stores.create": _store_vector_store,
    "vector_stores.file_batches.create": _store_file_batch,
    "vector_stores.files.create": _put_store_file,
    "videos.create": _store_video,
}

# Rows that do something else than their shape says: a function of the call, giving the answer.
_SPECIALS: Mapping[str, Callable[[Call], Any]] = {
    "admin.organization.certificates.activate": _set_active(True),
    "admin.organization.certificates.deactivate": _set_active(False),
    "admin.organization.projects.certificates.activate": _set_active(True),
    "admin.organization.projects.certificates.deactivate": _set_active(False),
    "admin.organization.projects.list": _list_projects,
    "admin.organization.projects.service_accounts.api_keys.create": _add_api_key,
    "batches.cancel": _cancel(
        {"status": "cancelling", "cancelling_at": Now()}, {"status": "cancelled", "cancelled_at": Now()}
    ),
    "beta.responses.cancel": _cancel_response,
    "beta.responses.compact": _compact,
    "beta.responses.input_tokens.count": _count_tokens,
    "beta.threads.create_and_run": _create,
    "beta.threads.runs.cancel": _cancel(
        {"status": "cancelling"}, {"status": "cancelled", "cancelled_at": Now(), "expires_at": None}
    ),
    "beta.threads.runs.submit_tool_outputs": _submit_tool_outputs,
    "conversations.items.create": _add_items,
    "conversations.items.delete": _delete_item,
    "evals.runs.cancel": _cancel_eval_run,
    "files.content": _file_content,
    "files.delete": _delete_file,
    "fine_tuning.checkpoints.permissions.create": _create_permissions,
    "fine_tuning.jobs.cancel": _cancel({"status": "cancelled", "finished_at": Now()}),
    "fine_tuning.jobs.pause": _pause_job,
    "fine_tuning.jobs.resume": _resume_job,
    "models.delete": _with_models(_delete_model),
    "models.list": _with_models(_list),
    "models.retrieve": _with_models(_retrieve),
    "responses.cancel": _cancel_response,
    "responses.compact": _compact,
    "responses.input_tokens.count": _count_tokens,
    "uploads.cancel": _cancel_upload,
    "uploads.complete": _complete_upload,
    "uploads.parts.create": _add_part,
    "vector_stores.files.content": _store_file_content,
    "vector_stores.files.delete": _delete_store_file,
    "vector_stores.search": _search,
    "videos.edit": _new_video,
    "videos.extend": _new_video,
    "videos.remix": _new_video,
    "webhooks.rotate_secret": _rotate_secret,
}


# ======================================================================================================================
# SERVER-SENT EVENTS: one answer, as the stream the service would send
# ======================================================================================================================

Event = tuple[str | None, Any]  # the `event:` line, and the data


class Pace(NamedTuple):
    """How a stream arrives; `stream()` documents the fields."""

    chunk: int | None = None
    first_delay: float = 0
    delay: float = 0
    fail_after: int | None = None
    fault: Any = None


_AT_ONCE = Pace()


def _pieces(text: str | None, chunk: int | None) -> Iterator[str]:
    """A text in pieces of `chunk` characters, or of a word each with the space behind it."""
    if chunk:
        return (text[i : i + chunk] for i in range(0, len(text), chunk)) if text else iter(())
    return (match[0] for match in re.finditer(r"\S+\s*|\s+", text or ""))


def _frame(event: Event) -> bytes:
    """An event as it goes over the wire."""
    name, data = event
    if isinstance(data, bytes):
        return data
    text = data if isinstance(data, str) else _encode(data)
    lines = "".join(f"data: {line}\n" for line in text.split("\n"))
    return f"event: {name}\n{lines}\n".encode() if name else f"{lines}\n".encode()


def _stream_chat(call: Call, chat: dict[str, Any], chunk: int | None) -> Iterator[Event]:
    with_usage = (call.body.get("stream_options") or {}).get("include_usage")
    base = {key: value for key, value in chat.items() if key not in ("choices", "usage", "object")}
    base |= {"object": "chat.completion.chunk"} | ({"usage": None} if with_usage else {})
    for choice in chat["choices"]:
        for delta, rest in _chat_deltas(choice, chunk):
            yield None, base | {"choices": [{"index": choice["index"], "delta": delta, "finish_reason": None} | rest]}
    if with_usage:
        yield None, base | {"choices": [], "usage": chat["usage"]}
    yield None, "[DONE]"


def _chat_deltas(choice: dict[str, Any], chunk: int | None) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The deltas of one choice, and what stands beside each: log probabilities, the reason to finish."""
    message, rest = choice["message"], {k: v for k, v in choice.items() if k not in ("message", "index")}
    pieced = {key: message[key] for key in message if isinstance(message[key], str) and key != "role"}
    whole = {k: v for k, v in message.items() if k not in (*pieced, "role", "tool_calls") and v is not None}
    opening = dict.fromkeys(pieced, "") | {"content": None if message.get("content") is None else ""}
    logprobs = rest.pop("logprobs", None)
    texts = [{key: piece} for key, text in pieced.items() for piece in _pieces(text, chunk)]
    yield {"role": message["role"], **opening, **whole}, {"logprobs": None if texts else logprobs}
    for number, delta in enumerate(texts):
        yield delta, {"logprobs": None if number else logprobs}
    for index, tool_call in enumerate(message.get("tool_calls") or ()):
        for delta in _tool_call_deltas(tool_call, chunk):
            yield {"tool_calls": [{"index": index} | delta]}, {"logprobs": None}
    yield {}, {"logprobs": None} | rest


def _tool_call_deltas(tool_call: dict[str, Any], chunk: int | None) -> Iterator[dict[str, Any]]:
    kind = tool_call["type"]
    field = "input" if kind == "custom" else "arguments"
    yield {key: value for key, value in tool_call.items() if key != kind} | {kind: tool_call[kind] | {field: ""}}
    for piece in _pieces(tool_call[kind][field], chunk):
        yield {kind: {field: piece}}


def _stream_completion(call: Call, completion: dict[str, Any], chunk: int | None) -> Iterator[Event]:
    with_usage = (call.body.get("stream_options") or {}).get("include_usage")
    base = {key: value for key, value in completion.items() if key not in ("choices", "usage")}
    for choice in completion["choices"]:
        for piece in _pieces(choice["text"], chunk):
            part = {"index": choice["index"], "text": piece, "logprobs": None, "finish_reason": None}
            yield None, base | {"choices": [part]}
        yield None, base | {"choices": [choice | {"text": ""}]}
    if with_usage:
        yield None, base | {"choices": [], "usage": completion["usage"]}
    yield None, "[DONE]"


def _stream_response(call: Call, response: dict[str, Any], chunk: int | None) -> Iterator[Event]:
    """The lifecycle of a response; an event's `sequence_number` is its place."""
    after = int(call.query.get("starting_after", -1))
    for number, event in enumerate(_response_events(response, chunk)):
        if number > after:
            yield event["type"], event | {"sequence_number": number}


def _response_events(response: dict[str, Any], chunk: int | None) -> Iterator[dict[str, Any]]:
    opened = response | {"status": "in_progress", "output": [], "usage": None, "completed_at": None}
    opened |= {"error": None, "incomplete_details": None}
    yield {"type": "response.created", "response": opened}
    yield {"type": "response.in_progress", "response": opened}
    for index, item in enumerate(response["output"]):
        yield {"type": "response.output_item.added", "output_index": index, "item": _opened_item(item)}
        for event in _ITEM_EVENTS.get(item["type"], _no_events)(item, chunk):
            yield {"item_id": item.get("id"), "output_index": index} | event
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    status = response.get("status")
    yield {"type": f"response.{status if status in ('failed', 'incomplete') else 'completed'}", "response": response}


def _opened_item(item: dict[str, Any]) -> dict[str, Any]:
    """An item as it is before its pieces have come."""
    if item["type"] not in _ITEM_EVENTS:
        return item
    emptied = {key: empty for key, empty in _EMPTIED.get(item["type"], {}).items() if item.get(key) is not None}
    return item | emptied | ({"status": "in_progress"} if item.get("status") else {})


# The fields of items that come in pieces, and what they are before.
_EMPTIED: Mapping[str, dict[str, Any]] = {
    "code_interpreter_call": {"code": ""},
    "custom_tool_call": {"input": ""},
    "function_call": {"arguments": ""},
    "image_generation_call": {"result": None},
    "mcp_call": {"arguments": ""},
    "message": {"content": []},
    "reasoning": {"content": [], "summary": []},
}


def _no_events(item: dict[str, Any], chunk: int | None) -> Iterator[dict[str, Any]]:
    return iter(())


def _message_events(item: dict[str, Any], chunk: int | None) -> Iterator[dict[str, Any]]:
    for index, part in enumerate(item["content"]):
        is_refusal = part["type"] == "refusal"
        events = _part_events("refusal", part, "refusal", chunk) if is_refusal else _text_events(part, chunk)
        for event in events:
            yield {"content_index": index} | event


def _text_events(part: dict[str, Any], chunk: int | None) -> Iterator[dict[str, Any]]:
    added, *deltas, done, closed = _part_events("output_text", part, "text", chunk)
    yield added | {"part": added["part"] | {"annotations": []}}
    yield from (delta | {"logprobs": []} for delta in deltas)
    for index, annotation in enumerate(part["annotations"]):
        about = {"annotation_index": index, "annotation": annotation}
        yield {"type": "response.output_text.annotation.added", **about}
    yield done | {"logprobs": part.get("logprobs") or []}
    yield closed


def _reasoning_events(item: dict[str, Any], chunk: int | None) -> Iterator[dict[str, Any]]:
    for index, part in enumerate(item["summary"]):
        for event in _part_events("reasoning_summary_text", part, "text", chunk, "reasoning_summary_part"):
            yield event | {"summary_index": index}
    for index, part in enumerate(item.get("content") or ()):
        for event in _part_events("reasoning_text", part, "text", chunk):
            yield event | {"content_index": index}


def _part_events(
    name: str, part: dict[str, Any], field: str, chunk: int | None, kind: str = "content_part"
) -> Iterator[dict[str, Any]]:
    """A part as it comes: empty, then its text in pieces, then whole."""
    yield {"type": f"response.{kind}.added", "part": part | {field: ""}}
    for piece in _pieces(part[field], chunk):
        yield {"type": f"response.{name}.delta", "delta": piece}
    yield {"type": f"response.{name}.done", field: part[field]}
    yield {"type": f"response.{kind}.done", "part": part}


def _pieced(event: str, field: str) -> Callable[[dict[str, Any], int | None], Iterator[dict[str, Any]]]:
    """The events of an item that is one text in pieces, such as the arguments of a call."""

    def events(item: dict[str, Any], chunk: int | None) -> Iterator[dict[str, Any]]:
        for piece in _pieces(item[field], chunk):
            yield {"type": f"{event}.delta", "delta": piece}
        yield {"type": f"{event}.done", field: item[field] or ""} | ({"name": item["name"]} if "name" in item else {})

    return events


def _stages(*names: str, between: Any = _no_events) -> Callable[[dict[str, Any], int | None], Iterator[dict[str, Any]]]:
    """The events of an item that goes through stages; before it is completed comes what stands `between`."""

    def events(item: dict[str, Any], chunk: int | None) -> Iterator[dict[str, Any]]:
        for name in names:
            yield {"type": f"response.{item['type']}.{name}"}
        yield from between(item, chunk)
        yield {"type": f"response.{item['type']}.{'failed' if item.get('error') else 'completed'}"}

    return events


# What is sent between `output_item.added` and `output_item.done`, by the item's type.
_ITEM_EVENTS: Mapping[str, Callable[[dict[str, Any], int | None], Iterator[dict[str, Any]]]] = {
    "code_interpreter_call": _stages(
        "in_progress", "interpreting", between=_pieced("response.code_interpreter_call_code", "code")
    ),
    "custom_tool_call": _pieced("response.custom_tool_call_input", "input"),
    "file_search_call": _stages("in_progress", "searching"),
    "function_call": _pieced("response.function_call_arguments", "arguments"),
    "image_generation_call": _stages("in_progress", "generating"),
    "mcp_call": _stages("in_progress", between=_pieced("response.mcp_call_arguments", "arguments")),
    "mcp_list_tools": _stages("in_progress"),
    "message": _message_events,
    "reasoning": _reasoning_events,
    "web_search_call": _stages("in_progress", "searching"),
}


def _stream_images(kind: str) -> Callable[[Call, dict[str, Any], int | None], Iterator[Event]]:
    """Partial images, as many as asked for, then the whole one."""

    def events(call: Call, images: dict[str, Any], chunk: int | None) -> Iterator[Event]:
        about = {"background": "auto", "output_format": "png", "quality": "auto", "size": "auto"}
        about |= {key: images[key] for key in about if images.get(key)} | {"created_at": images["created"]}
        usage = images.get("usage") or _realize(_default(_image_usage()), call.store)
        for image in images["data"]:
            for index in range(int(call.body.get("partial_images") or 0)):
                name = f"{kind}.partial_image"
                yield name, about | {"type": name, "b64_json": image["b64_json"], "partial_image_index": index}
            name = f"{kind}.completed"
            yield name, about | {"type": name, "b64_json": image["b64_json"], "usage": usage}

    return events


def _image_usage() -> Any:
    return _fields(_model("ImageGenCompletedEvent"))["usage"].type


def _stream_transcription(call: Call, transcription: Any, chunk: int | None) -> Iterator[Event]:
    if isinstance(transcription, str):
        transcription = {"text": transcription}
    if call.body.get("response_format") == "diarized_json":
        for segment in transcription.get("segments") or ():
            yield "transcript.text.segment", segment | {"type": "transcript.text.segment"}
    for piece in _pieces(transcription["text"], chunk):
        yield "transcript.text.delta", {"type": "transcript.text.delta", "delta": piece}
    done = {key: transcription[key] for key in ("logprobs", "usage") if transcription.get(key)}
    yield "transcript.text.done", {"type": "transcript.text.done", "text": transcription["text"]} | done


def _stream_session(call: Call, event: Any, chunk: int | None) -> Iterator[Event]:
    """A session that was created and waits."""
    session = {"session_id": call.params["session_id"]}
    for kind in ("AgentSessionCreatedEvent", "AgentSessionIdleEvent"):
        event = _make(f"beta.{kind}", call.store, session)
        yield event["type"], event


def _stream_speech(call: Call, audio: bytes, chunk: int | None) -> Iterator[Event]:
    for i in range(0, len(audio), chunk or 256):
        piece = base64.b64encode(audio[i : i + (chunk or 256)]).decode()
        yield "speech.audio.delta", {"type": "speech.audio.delta", "audio": piece}
    asked = _tokens(str(call.body.get("input", "")))
    usage = {"input_tokens": asked, "output_tokens": len(audio), "total_tokens": asked + len(audio)}
    yield "speech.audio.done", {"type": "speech.audio.done", "usage": usage}


def _stream_run(call: Call, run: dict[str, Any], chunk: int | None) -> Iterator[Event]:
    """A run from where it is to where it stops, with the message or the calls it makes on the way."""
    key, store = (run["thread_id"], run["id"]), call.store
    if call.row.name == "beta.threads.create_and_run":
        yield "thread.created", store["beta.threads"][run["thread_id"]]
    if call.row.name != "beta.threads.runs.submit_tool_outputs":
        yield "thread.run.created", run
    if run["status"] == "requires_action":  # as the test set it
        with store.lock:
            steps = _copy(store.below("beta.threads.runs.steps", *key))
        for step in steps.values():
            yield from _step_events(store, step, chunk)
    yield f"thread.run.{run['status']}", run
    while store.pending.get(("beta.threads.runs", key)):
        with store.lock:
            before = store.below("beta.threads.runs.steps", *key)
            _advance(call, "beta.threads.runs", key)
            run = _copy(store["beta.threads.runs"][key])
            steps = _copy(store.below("beta.threads.runs.steps", *key))
        for step in [step for id, step in steps.items() if id not in before]:
            yield from _step_events(store, step, chunk)
        yield f"thread.run.{run['status']}", run
    yield "done", "[DONE]"


def _step_events(store: StateStore, step: dict[str, Any], chunk: int | None) -> Iterator[Event]:
    opened = step | {"status": "in_progress", "completed_at": None, "usage": None}
    details = step["step_details"]
    if details["type"] == "tool_calls":
        opened |= {"step_details": {"type": "tool_calls", "tool_calls": []}}
    yield "thread.run.step.created", opened
    yield "thread.run.step.in_progress", opened
    if details["type"] == "tool_calls":
        for index, tool_call in enumerate(details["tool_calls"]):
            for delta in _tool_call_deltas(tool_call, chunk):
                changed = {"type": "tool_calls", "tool_calls": [{"index": index, "type": "function"} | delta]}
                yield "thread.run.step.delta", _delta(step, "thread.run.step.delta", {"step_details": changed})
    else:
        message = store["beta.threads.messages"][step["thread_id"], details["message_creation"]["message_id"]]
        yield from _thread_message_events(message, chunk)
    if step["status"] == "completed":
        yield "thread.run.step.completed", step


def _thread_message_events(message: dict[str, Any], chunk: int | None) -> Iterator[Event]:
    opened = message | {"status": "in_progress", "content": []}
    yield "thread.message.created", opened
    yield "thread.message.in_progress", opened
    for index, block in enumerate(message["content"]):
        for part in _block_deltas(block, chunk):
            changed = {"content": [{"index": index, "type": block["type"]} | part]}
            yield "thread.message.delta", _delta(message, "thread.message.delta", changed)
    yield f"thread.message.{message['status']}", message


def _block_deltas(block: dict[str, Any], chunk: int | None) -> Iterator[dict[str, Any]]:
    if block["type"] == "refusal":
        yield from ({"refusal": piece} for piece in _pieces(block["refusal"], chunk))
    else:
        yield {"text": {"value": "", "annotations": block["text"]["annotations"]}}
        yield from ({"text": {"value": piece}} for piece in _pieces(block["text"]["value"], chunk))


def _delta(of: Mapping[str, Any], kind: str, delta: dict[str, Any]) -> dict[str, Any]:
    return {"id": of["id"], "object": kind, "delta": delta}


# How an answer is streamed, by row: a function of call, answer and piece size, giving events.
_STREAMS: Mapping[str, Callable[[Call, Any, int | None], Iterator[Event]]] = {
    "audio.speech.create": _stream_speech,
    "audio.transcriptions.create": _stream_transcription,
    "beta.agents.sessions.events.stream": _stream_session,
    "beta.responses.create": _stream_response,
    "beta.responses.retrieve": _stream_response,
    "beta.threads.create_and_run": _stream_run,
    "beta.threads.runs.create": _stream_run,
    "beta.threads.runs.submit_tool_outputs": _stream_run,
    "chat.completions.create": _stream_chat,
    "completions.create": _stream_completion,
    "images.edit": _stream_images("image_edit"),
    "images.generate": _stream_images("image_generation"),
    "responses.create": _stream_response,
    "responses.retrieve": _stream_response,
}


class _Either(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Bytes out of a plain or an asynchronous iterable, for either kind of client."""

    def __init__(self, source: Any) -> None:
        self.source = source

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.source) if hasattr(self.source, "__iter__") else _synchronous(self.source)

    def __aiter__(self) -> Any:
        return self.source.__aiter__() if hasattr(self.source, "__aiter__") else _asynchronous(self.source)

    def close(self) -> None:
        if hasattr(self.source, "close"):
            self.source.close()

    async def aclose(self) -> None:
        if hasattr(self.source, "aclose"):
            await self.source.aclose()
        else:
            self.close()


# Calls that answer with a stream without being asked to.
_ALWAYS_STREAMED = ("beta.agents.sessions.events.stream",)


class _Body(_Either):
    """A body that is made while it is read, by synchronous and asynchronous clients alike.

    `events` gives the events anew for each reading, from a plain or an asynchronous iterator.
    """

    def __init__(self, events: Callable[[], Any], pace: Pace, request: httpx.Request) -> None:
        self.events, self.pace, self.request = events, pace, request
        self.source: Any = None

    def __iter__(self) -> Iterator[bytes]:
        events = self.events()
        self.source = source = _synchronous(events) if hasattr(events, "__aiter__") else iter(events)
        for number in itertools.count():
            if self._fails_at(number):
                yield self._fault()
                return
            try:
                event = next(source)
            except StopIteration:
                return
            time.sleep(_delay_of(self.pace, number))
            yield _frame(_event(event))

    async def __aiter__(self) -> Any:
        events = self.events()
        source = events if hasattr(events, "__aiter__") else _asynchronous(events)
        self.source = source = source.__aiter__()
        for number in itertools.count():
            if self._fails_at(number):
                yield self._fault()
                return
            try:
                event = await source.__anext__()
            except StopAsyncIteration:
                return
            if delay := _delay_of(self.pace, number):
                import anyio

                await anyio.sleep(delay)
            yield _frame(_event(event))

    def _fails_at(self, number: int) -> bool:
        return self.pace.fail_after is not None and number >= self.pace.fail_after

    def _fault(self) -> bytes:
        """What comes instead of the next event. Raises a network fault unless the fault is something to send."""
        fault = self.pace.fault
        if isinstance(fault, str):
            return _frame((None, fault))
        if isinstance(fault, Mapping):
            return _frame(_event(fault) if "type" in fault else ("error", _plain(fault, "fault")))
        raise _family_error(fault or httpx.RemoteProtocolError("the mock broke off the stream"), self.request)


class _QuickBody(_Body):
    """A body of events that cost nothing to make and have no pace: ever more of them travel together."""

    def __iter__(self) -> Iterator[bytes]:
        self.source = self.events()
        for number in itertools.count():
            batch = list(itertools.islice(self.source, min(2**number, 256)))
            if not batch:
                return
            yield b"".join(map(_frame, batch))

    async def __aiter__(self) -> Any:
        for piece in self:
            yield piece


def _delay_of(pace: Pace, number: int) -> float:
    return pace.delay if number else pace.first_delay


class EventStream(httpx.SyncByteStream, httpx.AsyncByteStream, Generic[M]):
    """A stream of events as a class: override `generate`, and set an instance, or a response with it as content.

    class Greeting(EventStream[ChatCompletionChunk]):
        def generate(self):
            yield ChatCompletionChunk(...)

    create.response = httpx.Response(200, content=Greeting())
    """

    def generate(self) -> Iterator[M]:
        """The events, in order."""
        raise NotImplementedError(f"{type(self).__name__} must override generate()")

    def __iter__(self) -> Iterator[bytes]:
        return map(_frame, map(_event, self.generate()))

    async def __aiter__(self) -> Any:
        for event in self.generate():
            yield _frame(_event(event))


class AsyncEventStream(EventStream[M]):
    """The same with an asynchronous generator: override `agenerate`."""

    async def agenerate(self) -> AsyncIterator[M]:
        """The events, in order."""
        raise NotImplementedError(f"{type(self).__name__} must override agenerate()")
        yield

    def __iter__(self) -> Iterator[bytes]:
        return map(_frame, map(_event, _synchronous(self.agenerate())))

    async def __aiter__(self) -> Any:
        async for event in self.agenerate():
            yield _frame(_event(event))


def _event(value: Any) -> Event:
    """An event out of what a test author's stream gives: models, dicts, strings, (event, data) pairs."""
    if isinstance(value, tuple):
        return value
    if isinstance(value, bytes):
        return None, value
    plain = value if isinstance(value, str) else _plain(value, "stream event")
    if isinstance(plain, dict) and isinstance(plain.get("event"), str) and "data" in plain:
        return plain["event"], plain["data"]
    return (plain.get("type") if isinstance(plain, dict) else None), plain


async def _asynchronous(items: Iterable[Any]) -> Any:
    try:
        for item in items:
            yield item
    finally:
        if isinstance(items, types.GeneratorType):
            items.close()


def _synchronous(items: Any) -> Iterator[Any]:
    """The items of an asynchronous iterator, for a synchronous client: from a thread with a loop of its own."""
    iterator, loop = items.__aiter__(), asyncio.new_event_loop()
    with concurrent.futures.ThreadPoolExecutor(1) as pool, contextlib.closing(loop):
        try:
            while True:
                yield pool.submit(loop.run_until_complete, iterator.__anext__()).result()
        except StopAsyncIteration:
            return
        finally:
            if hasattr(iterator, "aclose"):
                pool.submit(loop.run_until_complete, iterator.aclose()).result()


# ======================================================================================================================
# ANSWERS: everything `.response` takes
# ======================================================================================================================

Answer = Callable[[Call], Any]


class _Again(NamedTuple):
    """What a callable of the test returned, or promised: an answer still to be prepared."""

    value: Any


class _Fault(Exception):
    """Carries an exception a test set as its response past the handling of mistakes."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


def _prepare(row: Row, value: Any) -> Answer:
    """Whatever `.response` takes, checked, as a function of the call. Raises `TypeError` or `ValueError`."""
    place = f"{row.name}.response"
    if value is None:
        raise TypeError(f"{place} cannot be None; use `del {place}` to go back to the default")
    if isinstance(value, Mapping):
        return _prepare_partial(row, value)
    for takes, prepare in _PREPARERS:
        if takes(value):
            return prepare(row, value)
    raise TypeError(
        f"{place} cannot be {value!r}; it takes a dict, a model, {_text_word(row)}an httpx.Response, an exception, "
        "a callable, or a list of these"
    )


def _text_word(row: Row) -> str:
    return "bytes, " if row.model == "bytes" else "a str, " if row.model in _TURN_PARTIALS else ""


def _prepare_partial(row: Row, value: Mapping[str, Any], turn: Any = None) -> Answer:
    """A partial: merged once for each model it may have to fill."""
    place = f"{row.name}.response"
    if row.model in _PLAIN:
        if value:
            raise ValueError(f"{place} is {value!r}, but takes {_text_word(row) or 'nothing but '}{{}}")
        return lambda call: _Built(None, {})
    if (
        row.model.endswith("]")
        and value
        and not value.keys() & {"data", "has_more", "object", "first_id", "last_id", "next"}
    ):
        raise ValueError(f"{place} is {value!r}, but takes a page: {{'data': [...]}}")
    templates: dict[Any, Any] = {_model(row.model): _merge_partial(_model(row.model), value, place)}

    def answer(call: Call) -> Any:
        if (model := call.model) not in templates:
            templates[model] = _merge_partial(model, value, place)
        call.turn, call.turn_given = turn, bool(value) or turn is not None
        return _Built(templates[model] if value else None, value)

    return answer


class _Built(NamedTuple):
    """An answer to be built from a template, and what of it the user gave."""

    template: Any
    given: Mapping[str, Any]


def _merge_partial(model: Any, value: Mapping[str, Any], place: str) -> Any:
    return value.get("text", DEFAULT_TEXT) if model is str else _merge(model, value, place)


def _prepare_model(row: Row, value: Any) -> Answer:
    """A model of the SDK is the answer; any other one is what the assistant says, as JSON."""
    if type(value).__module__.startswith("openai."):
        return _prepare_partial(row, value.model_dump(mode="json", by_alias=True, exclude_unset=True))
    text = value.model_dump_json(by_alias=True)
    said = _prepare_text(row, text)

    def answer(call: Call) -> Any:
        """What the model says, or the arguments of the call where the request forces one."""
        forced = (_default_turn(call.body) or Turn()).tool_calls
        return _prepare_turn(row, tool_call(forced[0].name, json.loads(text)))(call) if forced else said(call)

    return answer


def _prepare_text(row: Row, value: str) -> Answer:
    if row.model == "bytes":
        return _prepare_bytes(row, value.encode())
    if row.model not in _TURN_PARTIALS:
        raise TypeError(f"{row.name}.response cannot be the text {value!r}: this call does not answer with text")
    return _prepare_turn(row, Turn(value))


def _prepare_turn(row: Row, turn: Turn) -> Answer:
    wants_text = turn.text is None and row.model in ("audio.Transcription", "audio.Translation", "Completion")
    if row.model not in _TURN_PARTIALS or wants_text:
        raise TypeError(
            f"{row.name}.response cannot be {turn!r}: no {'call or refusal' if wants_text else 'turn'} here"
        )
    return _prepare_partial(row, _TURN_PARTIALS[row.model](turn), turn)


# What the API calls its errors, by status, and the words it has for them.
_ERRORS = {
    400: ("invalid_request_error", "The request was invalid."),
    401: ("invalid_request_error", "Incorrect API key provided."),
    403: ("invalid_request_error", "You are not allowed to do this."),
    404: ("invalid_request_error", "The requested resource does not exist."),
    408: ("server_error", "The request timed out."),
    409: ("invalid_request_error", "The resource is being changed by another request."),
    422: ("invalid_request_error", "The request could not be processed."),
    429: ("requests", "Rate limit reached."),
    500: ("server_error", "The server had an error while processing your request."),
    503: ("server_error", "The engine is currently overloaded."),
}
_RETRIED = (408, 409, 429)


def error(
    status: int,
    message: str | None = None,
    *,
    code: str | None = None,
    type: str | None = None,
    param: str | None = None,
    retry_after: float | None = None,
) -> httpx.Response:
    """An error of the API, that the SDK raises as `RateLimitError` for 429, `BadRequestError` for 400 …

        create.response = [error(429, code="rate_limit_exceeded"), "Here I am."]

    retry_after: seconds until the SDK tries again what it retries (408, 409, 429, 500 and above); 1 ms where it is
        not given, so that retries take no time.
    Raises `ValueError` for a status that is no error.
    """
    if not 400 <= status <= 599:
        raise ValueError(f"error({status}) is no error; the status is between 400 and 599")
    kind, text = _ERRORS.get(status, _ERRORS[500 if status > 500 else 400])
    envelope = {"message": message or text, "type": type or kind, "param": param, "code": code}
    headers: dict[str, str] = {}
    if status in _RETRIED or status >= 500:
        headers["retry-after-ms"] = f"{1 if retry_after is None else retry_after * 1000:g}"
    return httpx.Response(status, json={"error": envelope}, headers=headers)


def timeout() -> Exception:
    """The request times out: the SDK retries, then raises `APITimeoutError`.

    Between its attempts the SDK waits about a second; `max_retries=0` on the client spares that.
    """
    return httpx.ReadTimeout("the mock timed out")


class Streamed(NamedTuple):
    """An answer with the way it arrives when it is streamed; made by `stream()`."""

    value: Any
    pace: Pace


def stream(
    value: Any,
    *,
    chunk: int | None = None,
    delay: float = 0,
    first_delay: float | None = None,
    fail_after: int | None = None,
    fault: Any = None,
) -> Streamed:
    """How an answer arrives when it is streamed; or a stream event by event, from a list or an iterator of them.

        create.response = stream("Hello there", chunk=3, delay=0.01)
        create.response = stream("Hello there", fail_after=2)                       # the connection breaks
        create.response = stream("Hello there", fail_after=2, fault={"error": {"message": "overloaded"}})
        create.response = stream([{"type": "response.created", ...}, ...])

    value: whatever `.response` takes, or a list, generator or function of events: models, dicts, (event, data) pairs.
    chunk: characters in a piece; without it a piece is a word.
    delay, first_delay: seconds before each piece, and before the first.
    fail_after: how many events arrive before the fault.
    fault: a network exception; a str, sent as an event that is no JSON; a dict, sent as an event such as an error.
        Without it the connection breaks.
    Raises `ValueError` for figures below zero.
    """
    for name, number in (("chunk", chunk), ("delay", delay), ("first_delay", first_delay), ("fail_after", fail_after)):
        if number is not None and number < (1 if name == "chunk" else 0):
            raise ValueError(f"stream(..., {name}={number!r}): expected {'1 or' if name == 'chunk' else '0 or'} more")
    if fault is not None and fail_after is None:
        raise ValueError("stream(..., fault=...) needs fail_after: how many events arrive before it")
    return Streamed(value, Pace(chunk, delay if first_delay is None else first_delay, delay, fail_after, fault))


def _is_stream(value: Any) -> bool:
    """Whether a value gives events: a generator or a function that makes one, plain or asynchronous."""
    functions = inspect.isgeneratorfunction(value) or inspect.isasyncgenfunction(value)
    streams = isinstance(value, (Iterator, AsyncIterator, EventStream))
    return functions or (streams and not isinstance(value, unittest.mock.NonCallableMock))


def _prepare_streamed(row: Row, value: Streamed) -> Answer:
    if isinstance(value.value, (list, tuple)) and not isinstance(value.value, Turn):
        return _prepare_events(row, value.value, value.pace)
    if _is_stream(value.value):
        return _prepare_events(row, value.value, value.pace)
    prepared = _prepare(row, value.value)

    def answer(call: Call) -> Any:
        call.pace = value.pace
        return prepared(call)

    return answer


def _prepare_events(row: Row, value: Any, pace: Pace = _AT_ONCE) -> Answer:
    """A stream event by event, from the start for each call."""
    if isinstance(value, EventStream):
        return _prepare_response(row, httpx.Response(200, content=value, headers={"content-type": "text/event-stream"}))
    events = _Replay(value) if isinstance(value, (Iterator, AsyncIterator)) else value

    def answer(call: Call) -> httpx.Response:
        if call.row.name in _STREAMS and not call.streams and call.row.model != "bytes":
            raise TypeError(
                f"{row.name}.response is a stream of events, but the call did not ask for one (stream=True)"
            )
        make = events if callable(events) else lambda: events
        if inspect.isgeneratorfunction(value) or inspect.isasyncgenfunction(value):
            make = functools.partial(value, *([call.request] if inspect.signature(value).parameters else []))
        return _stream_reply(call, make, pace)

    return answer


class _Replay:
    """A one-time iterator that can be gone through again: what it gave is kept."""

    def __init__(self, source: Any) -> None:
        self.source, self.kept, self.lock = source, [], threading.Lock()

    def __call__(self) -> Any:
        return self._asynchronous() if hasattr(self.source, "__anext__") else self._plain()

    def _plain(self) -> Iterator[Any]:
        for index in itertools.count():
            with self.lock:
                if index == len(self.kept):
                    self.kept.extend(itertools.islice(self.source, 1))
            if index == len(self.kept):
                return
            yield self.kept[index]

    async def _asynchronous(self) -> Any:
        for index in itertools.count():
            if index == len(self.kept):
                try:
                    self.kept.append(await self.source.__anext__())
                except StopAsyncIteration:
                    return
            yield self.kept[index]


def _prepare_bytes(row: Row, value: bytes) -> Answer:
    if row.model not in ("bytes", "str"):
        raise TypeError(f"{row.name}.response cannot be bytes: this call does not answer with a file")
    return lambda call: _Built(bytes(value), {"": value})


def _prepare_response(row: Row, value: Any) -> Answer:
    """A ready response of either family, a new one for each call."""
    content, stream = getattr(value, "_content", None), value.stream
    stream = getattr(stream, "_stream", stream)  # httpx reads what it was given once only
    extensions = {k: v for k, v in value.extensions.items() if k in ("http_version", "reason_phrase")}

    headers = value.headers.raw
    if content is not None:  # it was decoded when it was made
        headers = [pair for pair in headers if pair[0].lower() not in (b"content-encoding", b"content-length")]
        headers.append((b"content-length", b"%d" % len(content)))

    def answer(call: Call) -> httpx.Response:
        body = _Either(stream) if content is None else httpx.ByteStream(content)
        own = [pair for pair in _headers(call, "") if pair[0].decode() not in value.headers and pair[1]]
        if content is not None and value.status_code < 300 and call.plan.verb == "create":
            _remember_json(call, content)
        return _Reply(value.status_code, headers=[*headers, *own], extensions=extensions, stream=body)

    return answer


def _remember_json(call: Call, content: bytes) -> None:
    """Stores what a ready response to a create says, if it is an object of the API."""
    try:
        obj = json.loads(content)
    except ValueError:
        return
    if isinstance(obj, dict) and "id" in obj:
        with call.store.lock:
            call.objects[_key(call.parents, obj["id"])] = obj


def _prepare_exception(row: Row, value: Any) -> Answer:
    """An exception is raised as a network fault; what the SDK makes of a response is that response again."""
    if _is_response(getattr(value, "response", None)):
        return _prepare_response(row, value.response)
    if not issubclass(value if inspect.isclass(value) else type(value), Exception):
        raise TypeError(f"{row.name}.response cannot be {value!r}: it would end the test run, and is no network fault")
    if inspect.isclass(value) and (status := getattr(value, "status_code", None)):
        raise TypeError(
            f"{row.name}.response cannot be the class {value.__name__}: use openai_responses.error({status})"
        )

    def answer(call: Call) -> Any:
        raise _Fault(_family_error(value, call.request))

    return answer


def _prepare_callable(row: Row, value: Callable[..., Any]) -> Answer:
    """A function of the request and, by name, of what else it asks for."""
    parameters = inspect.signature(value).parameters
    first = next(iter(parameters.values()), None)
    if first is None or first.name in _OFFERS or first.kind is first.KEYWORD_ONLY:
        raise TypeError(
            f"{row.name}.response: {value!r} must take the request first; by name, {', '.join(_OFFERS)} too"
        )

    def answer(call: Call) -> _Again:
        offers = {"route": call.mock._endpoint(row).route, "state_store": call.store, **call.params}
        if "conversation" in parameters:
            with call.store.lock:
                offers["conversation"] = _conversation(call)
        return _Again(value(call.request, **_asked_for(value, offers)))

    return answer


# What a callable may ask for by name, beside the parameters of the path.
_OFFERS = ("route", "state_store", "conversation")


def _conversation(call: Call) -> list[dict[str, Any]]:
    """All the model gets to see: for responses with what came before, for the others their messages."""
    return _context(call) if call.plan.resource == "responses" else _messages(call)


def _asked_for(function: Callable[..., Any], offers: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the offers a function has parameters for."""
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(offers)
    return {name: offer for name, offer in offers.items() if name in parameters}


def _prepare_steps(row: Row, value: Iterable[Any]) -> Answer:
    """One answer for each attempt, in order."""
    steps = [_prepare_step(row, number, step) for number, step in enumerate(value)]
    numbers = itertools.count()

    def answer(call: Call) -> Any:
        if (number := next(numbers)) >= len(steps):
            raise AssertionError(
                f"{row.name} was called {_times(number + 1)}, but its .response has {_count(len(steps), 'step')}; "
                "add a step, or find out who makes the call"
            )
        return steps[number](call)

    return answer


def _prepare_step(row: Row, number: int, step: Any) -> Answer:
    """One step of a list; a list of calls within it is one answer with all of them."""
    if _is_steps(step) and step and all(isinstance(part, Turn) for part in step):
        step = functools.reduce(Turn.__add__, step)
    if _is_steps(step):
        raise TypeError(f"{row.name}.response[{number}] is the list {step!r}; a step is one answer")
    try:
        return _prepare(row, step)
    except (TypeError, ValueError) as error:
        raise type(error)(f"step {number}: {error}") from None


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _is_response(value: Any) -> bool:
    return isinstance(value, tuple(family.Response for family in _families()))


def _families() -> list[Any]:
    """httpx, and httpx2 where it is used."""
    return [httpx, *filter(None, [sys.modules.get("httpx2")])]


def _is_exception(value: Any) -> bool:
    return isinstance(value, BaseException) or (inspect.isclass(value) and issubclass(value, BaseException))


# Which function prepares which kind of value; the first that takes it.
_PREPARERS: tuple[tuple[Callable[[Any], bool], Callable[[Row, Any], Answer]], ...] = (
    (lambda value: isinstance(value, str), _prepare_text),
    (lambda value: isinstance(value, (bytes, bytearray)), _prepare_bytes),
    (_is_response, _prepare_response),
    (lambda value: isinstance(value, Turn), _prepare_turn),
    (lambda value: isinstance(value, Streamed), _prepare_streamed),
    (_is_stream, _prepare_events),
    (_is_exception, _prepare_exception),
    (lambda value: _is_model(type(value)), _prepare_model),
    (lambda value: isinstance(value, (list, tuple)), _prepare_steps),
    (callable, _prepare_callable),
)


async def _answer(call: Call, prepared: Answer | None, wait: Callable[[Any], Any]) -> httpx.Response:
    """The response to a call: what was prepared, or the default behaviour. Raises `APIError`."""
    result = prepared(call) if prepared else None
    while isinstance(result, _Again):
        value = await wait(result.value) if inspect.isawaitable(result.value) else result.value
        if isinstance(value, unittest.mock.NonCallableMock):
            raise TypeError(f"{call.row.name}.response gave {value!r}, which says nothing; give it a return_value")
        once = isinstance(value, (Iterator, AsyncIterator))  # made for this call: nobody reads it again
        result = _prepare_events(call.row, lambda value=value: value)(call) if once else _prepare(call.row, value)(call)
    if isinstance(result, httpx.Response):
        return result
    with call.store.lock:
        return _reply(call, _serve(call, result.template, result.given) if result else _behave(call))


def _reply(call: Call, obj: Any) -> httpx.Response:
    """An object as a response: JSON, text, bytes, or the stream of it the request asked for."""
    if call.streams and call.row.name in _STREAMS:
        obj = _copy(obj)  # what is stored may change while this is still being read
        return _stream_reply(call, lambda: _STREAMS[call.row.name](call, obj, call.pace.chunk), call.pace, True)
    if isinstance(obj, bytes) and call.pace != _AT_ONCE:
        size = call.pace.chunk or len(obj)
        return _stream_reply(call, lambda: (obj[i : i + size] for i in range(0, len(obj), size)), call.pace)
    if isinstance(obj, (bytes, str)):
        kind = "text/plain; charset=utf-8" if isinstance(obj, str) else "application/octet-stream"
        return _response(call, 200, obj.encode() if isinstance(obj, str) else obj, kind)
    return _json_response(call, _deletion(call) if obj is None else obj)


def _deletion(call: Call) -> dict[str, Any]:
    """What the API says where the SDK expects nothing."""
    id = call.params.get(call.plan.item)
    return {"id": id, "object": "deleted", "deleted": True} if call.row.method == "DELETE" else {}


def _stream_reply(call: Call, events: Callable[[], Any], pace: Pace, quick: bool = False) -> httpx.Response:
    binary = call.row.model == "bytes" and not call.streams
    headers = _headers(call, "application/octet-stream" if binary else "text/event-stream; charset=utf-8")
    body = _QuickBody if quick and pace == Pace(pace.chunk) else _Body
    return httpx.Response(200, headers=headers, stream=body(events, pace, call.request))


class _Reply(httpx.Response):
    """A response that is read when somebody looks: a client reads the stream itself, and wants it unread."""

    @property
    def content(self) -> bytes:
        return self.read()


def _json_response(call: Call, obj: Any, status: int = 200) -> httpx.Response:
    return _response(call, status, _encode(obj).encode(), "application/json")


def _response(call: Call, status: int, data: bytes, content_type: str) -> httpx.Response:
    headers = [*_headers(call, content_type), (b"content-length", b"%d" % len(data))]
    return _Reply(status, headers=headers, stream=httpx.ByteStream(data))


def _headers(call: Call, content_type: str) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"content-type", content_type.encode()),
        (b"x-request-id", call.store.new_id("req_").encode()),
        (b"openai-processing-ms", b"1"),
        (b"openai-version", b"2020-10-01"),
    ]
    return [*headers, (b"openai-poll-after-ms", b"1")] if call.plan.verb == "retrieve" else headers


# ======================================================================================================================
# ROUTES AND NAMESPACES
# ======================================================================================================================


class _Guarded:
    """Something that takes no attributes but its own: a misspelt `.response` would set nothing."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            there = [own for own in dir(type(self)) if not own.startswith("_")]
            raise AttributeError(
                f"{self!r} has no {name!r} to set.{_closest(name, there)} There is: {', '.join(there)}"
            )
        super().__setattr__(name, value)


class Answering(_Guarded):
    """Something that can be given a response."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self._response: Any = None
        self._prepared: Answer | None = None
        self._hits = 0

    @property
    def response(self) -> Any:
        """What is answered, as it was set; `None` while nothing is. `del` goes back to the default.

        Raises `TypeError` or `ValueError` when something is set that this call cannot answer.
        """
        return self._response

    @response.setter
    def response(self, value: Any) -> None:
        self._prepared = _prepare(self._row, value)
        self._response, self._hits = value, 0

    @response.deleter
    def response(self) -> None:
        self._response = self._prepared = None

    def _unused_steps(self) -> int:
        return max(len(self._response) - self._hits, 0) if _is_steps(self._response) else 0


def _is_steps(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and not isinstance(value, (Turn, Streamed))


class Rule(Answering):
    """A response for some requests of an endpoint only; made by `endpoint.when(...)`."""

    def __init__(self, row: Row, what: Any, tool_result: bool | None, subset: Mapping[str, Any]) -> None:
        super().__init__(row)
        self._what, self._tool_result, self._subset = what, tool_result, subset

    def __repr__(self) -> str:
        shown = [repr(self._what)] if self._what is not None else []
        shown += [f"tool_result={self._tool_result}"] if self._tool_result is not None else []
        shown += [f"{key}={value!r}" for key, value in self._subset.items()]
        return f"{self._row.name}.when({', '.join(shown)})"

    def _mismatch(self, call: Call) -> str | None:
        """Why the rule does not take a call; `None` when it does."""
        if (place := _outside(call.body, self._subset)) is not None:
            return place
        if self._tool_result is not None and _answers_tools(call) is not self._tool_result:
            return f"tool_result is {not self._tool_result}"
        if callable(self._what):
            return None if self._what(call.body) else f"{self._what!r} says no"
        if self._what is not None and not re.search(_pattern(self._what), _last_input(call)):
            return f"the last user input is {_shown(_last_input(call))}"
        return None


def _pattern(what: Any) -> Any:
    return re.escape(what) if isinstance(what, str) else what


def _outside(body: Any, subset: Any, place: str = "") -> str | None:
    """Where a body differs from what is expected of it, at any depth; `None` when it has all of it.

    A dict may have more keys, a list more elements than the expected ones.
    """
    if isinstance(subset, Mapping) and isinstance(body, Mapping):
        return _first(
            _outside(body[key], value, f"{place}.{key}" if place else key)
            if key in body
            else f"{f'{place}.{key}' if place else key} is missing"
            for key, value in subset.items()
        )
    if isinstance(subset, (list, tuple)) and isinstance(body, list):
        missing = (item for item in subset if all(_outside(element, item) is not None for element in body))
        return _first(f"{place} has no {_shown(item)}" for item in missing)
    return None if body == subset else f"{place} is {_shown(body)}"


def _first(items: Iterator[Any]) -> Any:
    return next(filter(None, items), None)


def _messages(call: Call) -> list[dict[str, Any]]:
    """The messages or items of a request, whichever API it is for."""
    if call.row.model == "beta.threads.Run":
        thread = call.params.get("thread_id")
        stored = call.store.below("beta.threads.messages", thread or "").values()
        said = (call.body.get("thread") or {}).get("messages"), call.body.get("additional_messages")
        return [*stored, *_dicts(said[0]), *_dicts(said[1])]
    return _dicts(call.body.get("messages") or call.body.get("input"))


def _last_input(call: Call) -> str:
    """The text of what the user said last, in this request or before it."""
    said = [message for message in _messages(call) if message.get("role") == "user"]
    if not said and _dicts(call.body.get("input")):
        said = [item for item in _conversation(call) if item.get("role") == "user"]
    if said:
        return _text_of(said[-1])
    return _text_of(call.body.get("input") or call.body.get("prompt") or "")


def _answers_tools(call: Call) -> bool:
    """Whether a request brings the results of calls: the second half of a tool loop."""
    if call.row.name in _GOES_ON:
        return True
    last = (_messages(call) or [{}])[-1]
    return last.get("role") in ("tool", "function") or str(last.get("type")).endswith("call_output")


class Endpoint(Answering):
    """One call of the API on one mock: what it answers, and what it was asked."""

    def __init__(self, mock: OpenAIMock, row: Row) -> None:
        super().__init__(row)
        self._mock = mock
        self._bodies: list[dict[str, Any]] = []
        self._rules: list[Rule] = []

    def __repr__(self) -> str:
        return f"<Endpoint {self._row.name}: {self._row.method} {self._row.path}>"

    @property
    def route(self) -> respx.Route:
        """The RESPX route of this call: `.call_count`, `.calls.last.request`; a mock put on it wins."""
        if (route := self.__dict__.get("_route")) is None:
            url = _url_pattern(self._row, tuple(self._mock._bases))
            route = self.__dict__.setdefault("_route", respx.Route(method=self._row.method, url__regex=url))
        return route

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The decoded bodies of the calls, oldest first; files are (filename, bytes, content type)."""
        return self._bodies

    @property
    def state_store(self) -> StateStore:
        return self._mock.state

    def when(self, what: Any = None, /, *, tool_result: bool | None = None, **subset: Any) -> Rule:
        """A rule for some requests: set its `.response`. The newest rule that takes a request answers it.

            create.when("weather").response = "It is sunny."
            create.when(re.compile("(?i)weather")).response = ...
            create.when(lambda body: len(body["messages"]) > 3).response = ...
            create.when(model="gpt-5", tool_result=True).response = ...

        what: a text or a pattern to find in the last user input, or a function of the body.
        tool_result: whether the request brings the results of tool calls.
        subset: what the body must have, at any depth; dicts and lists may have more.
        Raises `TypeError` when nothing is said, or `what` is none of these.
        """
        if what is None and tool_result is None and not subset:
            raise TypeError(f"{self._row.name}.when() needs a text, a pattern, a function or fields of the body")
        if what is not None and not isinstance(what, (str, re.Pattern)) and not callable(what):
            raise TypeError(f"{self._row.name}.when({what!r}): expected a str, a compiled pattern or a function")
        known = {"tool_result", *_parameter_types(self._row.name)}
        for name in subset.keys() - known:
            if closest := _closest(name, known, 0.75):
                raise TypeError(f"{self._row.name}.when({name}=...): the call has no such parameter.{closest}")
        self._rules.append(Rule(self._row, what, tool_result, subset))
        return self._rules[-1]

    def assert_called_with(self, expected: Mapping[str, Any] | None = None, /, **subset: Any) -> None:
        """Asserts that the last call had this in its body, at any depth; dicts and lists may have more.

        Raises `AssertionError` with the difference.
        """
        wanted = {**(expected or {}), **subset}
        if not self._bodies:
            raise AssertionError(f"{self._row.name} was not called")
        body = self._bodies[-1]
        if (place := _outside(body, wanted)) is not None:
            have = _lines({key: body[key] for key in wanted if key in body})
            diff = "\n".join(difflib.unified_diff(_lines(wanted), have, "expected", "was called with", lineterm=""))
            raise AssertionError(f"{self._row.name} was called otherwise: {place}\n{diff}")

    def _choose(self, call: Call) -> Answering | None:
        """What answers a call: the newest rule that takes it, then the response. Raises `AssertionError` if strict."""
        for rule in reversed(self._rules):
            if rule._prepared and rule._mismatch(call) is None:
                return rule
        if self._prepared:
            return self
        if self._rules and self._mock._strict:
            raise AssertionError(self._near_miss(call))
        return None

    def _near_miss(self, call: Call) -> str:
        reasons = {rule: str(rule._mismatch(call) or "it has no .response") for rule in reversed(self._rules)}
        closest = max(reasons, key=lambda rule: _closeness(rule, call))
        return f"no rule takes this call of {self._row.name}; closest: {closest!r}, but {reasons[closest]}"


def _closeness(rule: Rule, call: Call) -> int:
    """How many of a rule's conditions a call meets."""
    met = sum(_outside(call.body, {key: value}) is None for key, value in rule._subset.items())
    met += rule._tool_result is not None and _answers_tools(call) is rule._tool_result
    return met + (
        isinstance(rule._what, (str, re.Pattern)) and bool(re.search(_pattern(rule._what), _last_input(call)))
    )


def _lines(value: Any) -> list[str]:
    return json.dumps(value, indent=2, default=repr, ensure_ascii=False, sort_keys=True).splitlines()


class Request(NamedTuple):
    """One HTTP request a mock has seen; secrets in its headers are left out."""

    endpoint: str  # dotted name, empty where it is none
    body: dict[str, Any]
    headers: dict[str, str]
    attempt: int  # 0 for the first, then the number of the retry
    status: int | None  # None where a network fault came instead of a response
    duration: float  # seconds


_SECRET_HEADERS = re.compile("authorization|api-key|cookie|token|secret", re.IGNORECASE).search


@functools.cache
def _url_pattern(row: Row, bases: tuple[str, ...]) -> str:
    """The URLs of a row below the bases, as a regular expression."""
    path, _, query = row.path.partition("?")
    pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/?]+)", re.escape(path))
    roots = "|".join(map(re.escape, bases)) + (f"|{_AZURE_ROOT}" if bases[-1] == _AZURE else "")
    beta = r"\?(?:.*&)?beta=true(?:&.*)?" if query else r"(?:\?.*)?"
    return f"^(?:{roots}){pattern}{beta}$"


class Namespace(_Guarded):
    """A part of a dotted name on the way to an endpoint: `openai_mock.beta.threads`."""

    def __init__(self, mock: OpenAIMock, path: str) -> None:
        self._mock, self._path = mock, path

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return _descend(self._mock, f"{self._path}.{name}")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_children(_names(), self._path)})

    def __repr__(self) -> str:
        return f"<Namespace {self._path}: {', '.join(sorted(_children(_names(), self._path)))}>"


def _descend(mock: OpenAIMock, name: str) -> Any:
    """The endpoint or the namespace of a dotted name. Raises `AttributeError` with what there is."""
    if (name in _rows() or name in _HELPERS) and _present(name):
        return mock._endpoint(_rows()[_canonical(name)])
    if _resource_class(name) is not None and _children(_names(), name):
        return Namespace(mock, name)
    owner, _, last = name.rpartition(".")
    there = sorted(_children(_names(), owner))
    where = f"openai_mock.{owner}" if owner else "openai_mock"
    raise AttributeError(f"{where} has no {last!r}.{_closest(last, there)} There is: {', '.join(there)}")


# ======================================================================================================================
# INTERCEPTION
# ======================================================================================================================

_PUBLIC = "https://api.openai.com/v1"
_AZURE = "https://*.openai.azure.com"
_AZURE_HOSTS = (
    r"https://[\w.-]+\.(?:openai\.azure\.(?:com|us|cn)|cognitiveservices\.azure\.com|services\.ai\.azure\.com)"
)
_AZURE_ROOT = _AZURE_HOSTS + r"/openai(?:/v1)?(?:/deployments/[^/]+)?"
_azure_path = re.compile(r"(?:/openai)?(?:/v1)?(?:/deployments/(?P<model>[^/]+))?(?P<path>/.*)").fullmatch
_azure_host = re.compile(_AZURE_HOSTS).match


def _below(url: str, bases: Iterable[str]) -> tuple[str, str | None] | None:
    """The path of a URL below one of the bases, and the Azure deployment in it; `None` when it is below none."""
    for base in bases:
        if base == _AZURE and (host := _azure_host(url)):
            return _unwrap(url[host.end() :])
        if url.startswith(base) and url[len(base) : len(base) + 1] in ("/", ""):
            path = url[len(base) :]
            return _unwrap(path) if path.startswith(("/openai/", "/deployments/")) else (path, None)
    return None


def _unwrap(path: str) -> tuple[str, str | None]:
    """Azure's forms of a path: `/openai/deployments/{model}/...`, `/openai/v1/...`."""
    match = _azure_path(path)
    return (match["path"], match["model"] and unquote(match["model"])) if match else (path, None)


class _NotMocked(AllMockedAssertionError):
    """A request nothing answers: an unknown path of the API, or a host that is not the API's."""


class Router(respx.MockRouter):
    """A RESPX router whose own routes come first, and behind them the table."""

    def __init__(self, mock: OpenAIMock, **settings: Any) -> None:
        super().__init__(**{"assert_all_called": False, **settings})
        self._mock = mock

    def __call__(self, func: Any = None, **settings: Any) -> Any:
        return super().__call__(func) if func else Router(self._mock, **settings)

    def start(self) -> None:
        self._mock._start()
        super().start()
        for mocker in _mockers():
            mocker.enlist(self)

    def stop(self, clear: bool = False, reset: bool = False, quiet: bool = False) -> None:
        """Stops answering. Routes and calls stay, unless told otherwise."""
        _flush_traces()
        for mocker in _mockers():
            mocker.dismiss(self)
        super().stop(clear=clear, reset=reset, quiet=quiet)
        if self._mock._checks_use and not quiet:
            self._mock.assert_all_used()

    def handler(self, request: Any) -> httpx.Response:
        """The response to a request, for `MockTransport`."""
        request = _httpx_request(request)
        try:
            if self.routes:
                with contextlib.suppress(AllMockedAssertionError):
                    return super().handler(request)
            return _run(self._exchange(request, _wait_in_thread))
        except Exception as error:
            surfaced = _surfacing(error, request)
            raise surfaced from surfaced.__cause__

    async def async_handler(self, request: Any) -> httpx.Response:
        """The same for asynchronous clients."""
        request = _httpx_request(request)
        try:
            if self.routes:
                with contextlib.suppress(AllMockedAssertionError):
                    return await super().async_handler(request)
            return await self._exchange(request, _wait)
        except Exception as error:
            surfaced = _surfacing(error, request)
            raise surfaced from surfaced.__cause__

    async def _exchange(self, request: httpx.Request, wait: Callable[[Any], Any]) -> httpx.Response:
        """One request and its response, recorded whatever comes of it."""
        try:
            call = self._mock._call(request)
        except _NotMocked:
            if "openai_responses.chained" not in request.extensions:  # else another router may know it
                self._record_unknown(request)
            raise
        if call is None:
            return httpx.Response(204)
        endpoint, response, started = self._mock._endpoint(call.row), None, time.perf_counter()
        try:
            response = await self._mock._respond(call, endpoint, wait)
        finally:
            self.record(request, response=response, route=endpoint.route)
            status, took = response and response.status_code, time.perf_counter() - started
            self._mock._journal.append((call.row.name, call.body, request, status, took))
        return response

    def _record_unknown(self, request: httpx.Request) -> None:
        self.record(request, response=None)
        self._mock._journal.append(("", {}, request, None, 0.0))


def _flush_traces() -> None:
    """Has openai-agents send the traces it still holds, which would go to the network once nobody answers."""
    if flush := getattr(sys.modules.get("agents"), "flush_traces", None):
        flush()


async def _wait(awaitable: Any) -> Any:
    return await awaitable


async def _wait_in_thread(awaitable: Any) -> Any:
    """The result of a coroutine for a synchronous client, in a thread with a loop of its own."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, _wait(awaitable)).result()


def _run(coroutine: Any) -> Any:
    """The result of a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("an exchange with a synchronous client waited")


def _surfacing(error: Exception, request: httpx.Request) -> BaseException:
    """Network faults leave as themselves; mistakes too, but for openai 2, which would take them for faults."""
    if isinstance(error, _Fault):
        return error.error
    if isinstance(error, (PassThrough, *(family.RequestError for family in _families()))) or not _swallows(request):
        return error
    mistake = MockError(f"{type(error).__name__}: {error}")
    mistake.__cause__ = error
    return mistake


def _swallows(request: httpx.Request) -> bool:
    """Whether the client that sends this turns every exception into a retry, as openai 1 and 2 do."""
    return request.headers.get("x-stainless-package-version", "3").split(".")[0] in ("1", "2")


def _family(request: httpx.Request) -> types.ModuleType:
    """httpx or httpx2: whose client sent the request."""
    return request.extensions.get("openai_responses.family", httpx)


def _httpx_request(request: Any) -> httpx.Request:
    """A request of either family as one of httpx, that remembers where it came from."""
    if isinstance(request, httpx.Request):
        return request
    extensions = {**request.extensions, "openai_responses.family": sys.modules["httpx2"]}
    return httpx.Request(
        request.method, str(request.url), headers=request.headers.raw, content=request.content, extensions=extensions
    )


def _family_error(error: Any, request: httpx.Request) -> BaseException:
    """A network fault as the client's own family knows it; a class becomes an instance."""
    kind = error if inspect.isclass(error) else type(error)
    name = _SDK_FAULTS.get(kind.__name__, kind.__name__) if kind.__module__.startswith("openai") else kind.__name__
    if not kind.__module__.startswith(("httpx", "openai")):
        return error() if inspect.isclass(error) else error
    message = f"mocked {name}" if inspect.isclass(error) else str(error)
    own = getattr(_family(request), name, None)
    return own(message, request=request) if own else error


# What the network does for the SDK to raise one of its own.
_SDK_FAULTS = {"APITimeoutError": "ReadTimeout", "APIConnectionError": "ConnectError"}


class _Chain:
    """Stands before all routers of a mocker and asks them newest first, so that the innermost mock wins."""

    def __init__(self, routers: list[Any], family: str) -> None:
        self.routers, self.family = routers, family

    def handler(self, request: httpx.Request) -> Any:
        self._mark(request)
        for router in self._newest_first():
            try:
                return router.handler(request)
            except (AllMockedAssertionError, MockError) as error:
                _pass_on(error)
        raise self._nobody(request)

    async def async_handler(self, request: httpx.Request) -> Any:
        self._mark(request)
        for router in self._newest_first():
            try:
                return await router.async_handler(request)
            except (AllMockedAssertionError, MockError) as error:
                _pass_on(error)
        raise self._nobody(request)

    def _mark(self, request: httpx.Request) -> None:
        """Notes the family of the client, which faults are to be of."""
        marks = {"openai_responses.chained": True, "openai_responses.family": sys.modules[self.family]}
        request.extensions = {**request.extensions, **marks}

    def _newest_first(self) -> list[Any]:
        return [router for router in reversed(self.routers) if router is not self]

    def _nobody(self, request: httpx.Request) -> BaseException:
        ours = [router for router in reversed(self.routers) if isinstance(router, Router)]
        for router in ours:
            router._record_unknown(request)
        message = "; ".join(dict.fromkeys(router._mock._unknown(request) for router in ours))
        return _surfacing(_NotMocked(message), request)


def _pass_on(error: BaseException) -> None:
    """A router that does not know a request leaves it to the next; other mistakes surface."""
    if isinstance(error, MockError) and not isinstance(error.__cause__, AllMockedAssertionError):
        raise error


class _Enlistment:
    """How a router joins a mocker, and leaves it; as long as one of ours is there, a chain leads."""

    def __init__(self, mocker: type[Mocker], family: str) -> None:
        self.mocker, self.chain = mocker, _Chain([], family)

    def enlist(self, router: Router) -> None:
        routers = self.mocker.routers
        if router not in routers:
            self.mocker.register(router)
        if self.chain not in routers:
            routers.insert(0, self.chain)
        self.chain.routers = routers
        self.mocker.start()

    def dismiss(self, router: Router) -> None:
        routers = self.mocker.routers
        self.mocker.unregister(router)
        if self.chain in routers and not any(isinstance(router, Router) for router in routers):
            routers.remove(self.chain)
        self.mocker.stop()


@functools.cache
def _mockers() -> tuple[_Enlistment, ...]:
    """Everything a client of the installed packages may send through."""
    found = [_Enlistment(HTTPCoreMocker, "httpx")]
    if importlib.util.find_spec("httpcore2"):
        found.append(_Enlistment(_httpcore2_mocker(), "httpx2"))
    if importlib.util.find_spec("aiohttp"):
        found.append(_Enlistment(_AiohttpMocker, "httpx"))
    return tuple(found)


def _httpcore2_mocker() -> type[Mocker]:
    """The mocker of httpcore2 that is there, else one of our own: of two, RESPX would install only the first."""
    if importlib.util.find_spec("pytest_httpx2"):
        importlib.import_module("pytest_httpx2")
    targets = [target.replace("httpcore.", "httpcore2.") for target in HTTPCoreMocker.targets]
    for mocker in Mocker.registry.values():
        if set(getattr(mocker, "targets", ())) & set(targets):
            return mocker

    class HTTPCore2Mocker(_CheapMocker, HTTPCoreMocker):
        name = "openai_responses.httpcore2"

        @classmethod
        def to_httpx_request(cls, **kwargs: Any) -> httpx.Request:
            request = kwargs["request"]
            raw = (request.url.scheme, request.url.host, request.url.port, request.url.target)
            return httpx.Request(
                request.method.decode(),
                _parse_url(raw),
                headers=request.headers,
                stream=request.stream,
                extensions=request.extensions,
            )

    HTTPCore2Mocker.targets = targets
    return HTTPCore2Mocker


_parse_url = functools.lru_cache(maxsize=1024)(respx.patterns.parse_url)  # a third of the cost of interception


class _CheapMocker(Mocker, abc.ABC):
    """A mocker that sets its patches itself: `mock.patch` takes as long as a test."""

    @classmethod
    def start(cls) -> None:
        if not cls._patches:
            for owner, name, patch in _patches_of(cls):
                cls._patches.append((owner, name, owner.__dict__[name]))
                setattr(owner, name, patch)

    @classmethod
    def stop(cls, force: bool = False) -> None:
        if force or not cls.routers:
            while cls._patches:
                owner, name, original = cls._patches.pop()
                setattr(owner, name, original)


@functools.cache
def _patches_of(mocker: type[Mocker]) -> list[tuple[type, str, Any]]:
    """The methods a mocker replaces, and with what, as far as their modules are installed."""
    patches = []
    for target in mocker.targets:
        module, _, name = target.rpartition(".")
        if importlib.util.find_spec(module.partition(".")[0]):
            owner = getattr(importlib.import_module(module), name)
            patches += [(owner, m, mocker.mock(vars(owner)[m])) for m in mocker.target_methods if m in vars(owner)]
    return patches


class _AiohttpMocker(_CheapMocker):
    """Wraps transports that come from an aiohttp module; those never reach httpcore."""

    name = "openai_responses.aiohttp"
    targets: ClassVar[list[str]] = ["httpx._client.AsyncClient", "httpx2._client.AsyncClient"]
    target_methods: ClassVar[list[str]] = ["_transport_for_url"]

    @classmethod
    def mock(cls, spec: Any) -> Any:
        @functools.wraps(spec)
        def _transport_for_url(self: Any, url: Any) -> Any:
            transport = spec(self, url)
            if "aiohttp" not in type(transport).__module__:
                return transport
            return MockTransport(cls.async_handler, otherwise=transport)

        return _transport_for_url


class MockTransport(httpx.MockTransport):
    """A transport for the clients of httpx and httpx2 that answers with a router's handler.

        transport = MockTransport(openai_mock.router.handler)           # or async_handler
        client = openai.OpenAI(api_key="sk-fake", http_client=openai.DefaultHttpxClient(transport=transport))

    Requests the router passes through go to `otherwise`, a transport.
    """

    def __init__(self, handler: Callable[[Any], Any], otherwise: Any = None) -> None:
        super().__init__(handler)
        self.otherwise = otherwise

    def handle_request(self, request: Any) -> Any:
        request.read()
        try:
            return _family_response(self.handler(_httpx_request(request)), request)
        except PassThrough:
            return self._next().handle_request(request)

    async def handle_async_request(self, request: Any) -> Any:
        await request.aread()
        try:
            response = self.handler(_httpx_request(request))
            return _family_response(await response if inspect.isawaitable(response) else response, request)
        except PassThrough:
            return await self._next().handle_async_request(request)

    def _next(self) -> Any:
        if self.otherwise is None:
            raise RuntimeError("a MockTransport cannot pass a request through: give it a transport as `otherwise`")
        return self.otherwise


def _family_response(response: httpx.Response, request: Any) -> Any:
    """A response as the client's family wants it, its body still to be read."""
    family = sys.modules[type(request).__module__.partition(".")[0]]
    stream = response.stream
    if not isinstance(stream, family.AsyncByteStream):
        stream = _family_stream(family)(stream)
    return family.Response(
        response.status_code, headers=response.headers.raw, stream=stream, extensions=response.extensions
    )


@functools.cache
def _family_stream(family: types.ModuleType) -> Callable[[Any], Any]:
    """A class that makes a stream of any family one of this."""

    return type("Stream", (_Either, family.SyncByteStream, family.AsyncByteStream), {})


# ======================================================================================================================
# THE MOCK
# ======================================================================================================================


def _clean_base(url: Any) -> str:
    """A base URL as requests have it. Raises `ValueError` for what is no URL."""
    parsed = httpx.URL(str(url))
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError(
            f"base_url is {url!r}; expected a URL with scheme and host, such as 'http://localhost:8000/v1'"
        )
    return str(parsed).rstrip("/")


class OpenAIMock(_Guarded):
    """A mock of the OpenAI API.

        with OpenAIMock() as openai_mock:
            openai_mock.chat.completions.create.response = "Hi!"
            ...

    base_url: answers below this URL only. Without it at the public URL, at `OPENAI_BASE_URL` if that is set when the
        mock starts, and at Azure's hosts.
    state: a `StateStore`, or a dict of dicts by resource name, to begin with and to store in.
    strict: refuses what the real service would refuse but tests often do: unknown parameters and wrong types, a missing
        key, dangling references where a response is set; and what a test itself gets wrong: answers that do not
        follow the schema the application sent, requests that no rule takes.
    assert_all_used: leaving the context fails on steps and rules that were never used, see `assert_all_used()`.
    """

    def __init__(
        self,
        base_url: str | None = None,
        state: StateStore | Mapping[str, Any] | None = None,
        strict: bool = False,
        assert_all_used: bool = False,
    ) -> None:
        self._base_url = _clean_base(base_url) if base_url is not None else None
        self._strict = strict
        self._bases = self._find_bases()
        self._endpoints: dict[str, Endpoint] = {}
        self.state = StateStore() if state is None else state
        self._checks_use = assert_all_used
        self._journal: list[tuple[str, dict[str, Any], httpx.Request, int | None, float]] = []

    def _find_bases(self) -> list[str]:
        if self._base_url:
            return [self._base_url]
        own = os.environ.get("OPENAI_BASE_URL")
        return [_PUBLIC, *([_clean_base(own)] if own else []), _AZURE]

    def _start(self) -> None:
        self._bases = self._find_bases()

    @functools.cached_property
    def router(self) -> Router:
        """The RESPX router: a context manager, a decorator, and with `.handler` what `MockTransport` takes."""
        return Router(self)

    @property
    def state(self) -> StateStore:
        """What is stored. Assigning a store or a dict of dicts changes to that and keeps responses and routes."""
        return self._state

    @state.setter
    def state(self, state: StateStore | Mapping[str, Any]) -> None:
        if not isinstance(state, Mapping):
            raise TypeError(f"state is {state!r}; expected a StateStore or a dict of dicts by resource name")
        self._state = state if isinstance(state, StateStore) else StateStore(state)

    def __enter__(self) -> OpenAIMock:
        self.router.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.router.stop(quiet=exc[0] is not None)

    async def __aenter__(self) -> OpenAIMock:
        return self.__enter__()

    async def __aexit__(self, *exc: object) -> None:
        self.__exit__(*exc)

    @property
    def requests(self) -> list[Request]:
        """Every HTTP request to the API, in order, retries included."""
        return [_journal_entry(*entry) for entry in self._journal]

    def assert_all_used(self) -> None:
        """Asserts that every step of every list was taken, and every rule hit.

        Raises `AssertionError` that names those left over.
        """
        left = []
        for endpoint in self._endpoints.values():
            left += [f"{rule!r} was never hit" for rule in endpoint._rules if not rule._hits]
            for answering in (endpoint, *endpoint._rules):
                if steps := answering._unused_steps():
                    left.append(f"{answering!r} has {_count(steps, 'step')} left of {len(answering.response)}")
        if left:
            raise AssertionError("not everything was used: " + "; ".join(left))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return _descend(self, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_children(_names(), "")})

    def __repr__(self) -> str:
        return f"<OpenAIMock at {', '.join(self._bases)}>"

    def _endpoint(self, row: Row) -> Endpoint:
        if (endpoint := self._endpoints.get(row.name)) is None:
            endpoint = self._endpoints.setdefault(row.name, Endpoint(self, row))
        return endpoint

    def _call(self, request: httpx.Request) -> Call | None:
        """The call a request makes; `None` for traces, which are taken and forgotten.

        Raises `AllMockedAssertionError` when it is none.
        """
        url, _, query = str(request.url).partition("?")
        path, deployment = _below(url, self._bases) or ("", None)
        if path == "/traces/ingest":
            return None
        found = _find(request.method, path, "beta=true" in query.split("&"))
        if found is None or not _present(found[0].name):
            raise _NotMocked(self._unknown(request))
        call = Call(self, *found, request)
        call.deployment = deployment
        return call

    async def _respond(self, call: Call, endpoint: Endpoint, wait: Callable[[Any], Any]) -> httpx.Response:
        try:
            call.body = _decode(call.request)
            if call.deployment:
                call.body["model"] = call.deployment
            endpoint._bodies.append(call.body)
            route = endpoint.__dict__.get("_route")
            mocked = route and (route.is_pass_through or route.side_effect or route.return_value)
            if mocked and (response := await self._resolve_route(route, call, wait)) is not None:
                return response
            with call.store.lock:
                if chosen := endpoint._choose(call) or self._inherited(call):
                    chosen._hits += 1
            return await _answer(call, chosen and chosen._prepared, wait)
        except APIError as error:
            return _json_response(call, {"error": error.error}, error.status)

    def _inherited(self, call: Call) -> Answering | None:
        """What goes on with a run after its tools: the answers of the call that made it, if this is in order."""
        if call.row.name not in _GOES_ON:
            return None
        _check(call)  # what is refused takes no step of a list
        maker = self._endpoints.get(call.store.makers.get(call.key, ""))
        chosen = maker and maker._choose(call)
        return None if chosen and isinstance(chosen._response, Mapping) else chosen  # that told how a run begins

    def _answer_line(self, said: Mapping[str, Any]) -> httpx.Response:
        """The answer to a line of a batch: that of the endpoint its `url` names, but no step of a list."""
        path, method = str(said.get("url")).removeprefix("/v1"), str(said.get("method", "POST"))
        found = _find(method, path)
        if found is None or not _present(found[0].name):
            raise APIError(400, f"Invalid URL ({method} {said.get('url')})", param="url", code="invalid_url")
        request = httpx.Request(method, f"{self._bases[0]}{path}", json=said.get("body") or {})
        call = Call(self, *found, request)
        call.body = _decode(request) | {"stream": False}
        endpoint = self._endpoint(call.row)
        chosen = endpoint._choose(call)
        prepared = chosen._prepared if chosen and not _is_steps(chosen._response) else None
        return _run(_answer(call, prepared, _wait_in_thread))

    async def _resolve_route(self, route: respx.Route, call: Call, wait: Callable[[Any], Any]) -> Any:
        """What a mock put on the endpoint's route answers; `None` when it declines."""
        if route.is_pass_through:
            raise PassThrough(f"passed through: {call.request!r}", request=call.request, origin=route)
        effect = route.side_effect
        params = _asked_for(effect, call.params) if inspect.isroutine(effect) else {}
        try:
            result = route.resolve(call.request, **params)
            return await wait(result) if inspect.isawaitable(result) else result
        except SideEffectError as error:
            raise error.origin from None

    def _unknown(self, request: httpx.Request) -> str:
        """Why a request is not answered, and what may have been meant."""
        url = str(request.url).partition("?")[0]
        below = _below(url, self._bases)
        if below is None:
            return (
                f"{request.method} {url} would reach the network: the mock answers at {', '.join(self._bases)} only. "
                "Pass the request through, or answer it, with a route on `openai_mock.router`, or give the mock a base_url"
            )
        known = {f"{row.method} {row.path.partition('?')[0]}" for row in _rows().values()}
        return f"no endpoint of the API: {request.method} {below[0]}.{_closest(f'{request.method} {below[0]}', known)}"


def _journal_entry(
    name: str, body: dict[str, Any], request: httpx.Request, status: int | None, duration: float
) -> Request:
    headers = {name: "***" if _SECRET_HEADERS(name) else value for name, value in request.headers.items()}
    attempt = int(request.headers.get("x-stainless-retry-count", 0))
    return Request(name, body, headers, attempt, status, duration)


def mock(
    func: Any = None,
    *,
    base_url: str | None = None,
    state: StateStore | Mapping[str, Any] | None = None,
    strict: bool = False,
    assert_all_used: bool = False,
) -> Any:
    """Runs a function, a test most often, under an `OpenAIMock`, and hands it that as `openai_mock` if it takes it.

        @openai_responses.mock()
        def test_greeting(openai_mock): ...

    With or without parentheses, for functions and coroutine functions; the arguments are those of `OpenAIMock`.
    """
    settings = {"base_url": base_url, "state": state, "strict": strict, "assert_all_used": assert_all_used}
    if func is None:
        return functools.partial(_decorate, settings)
    return _decorate(settings, func)


def _decorate(settings: dict[str, Any], func: Callable[..., Any]) -> Callable[..., Any]:
    decoration = types.SimpleNamespace(settings=settings, mock=None)  # shared with the fixture, which lends its mock
    takes_mock = "openai_mock" in inspect.signature(func).parameters

    @contextlib.contextmanager
    def arranged(kwargs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        given = kwargs.get("openai_mock") or decoration.mock
        with contextlib.nullcontext(given) if given else OpenAIMock(**settings) as openai_mock:
            checks, openai_mock._checks_use = openai_mock._checks_use, False  # here, so that it is the test that fails
            yield {**kwargs, "openai_mock": openai_mock} if takes_mock else kwargs
            if checks:
                openai_mock.assert_all_used()

    if inspect.iscoroutinefunction(func):

        @functools.wraps(func)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            with arranged(kwargs) as arguments:
                return await func(*args, **arguments)
    else:

        @functools.wraps(func)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with arranged(kwargs) as arguments:
                return func(*args, **arguments)

    wrapper.openai_mock = decoration
    return _for_pytest(wrapper) if _plugin_active else _hiding(wrapper, func)


def _hiding(wrapper: Any, func: Callable[..., Any]) -> Any:
    """Hides the argument the wrapper supplies from whoever looks at the signature."""
    signature = inspect.signature(func)
    kept = [parameter for parameter in signature.parameters.values() if parameter.name != "openai_mock"]
    wrapper.__signature__ = signature.replace(parameters=kept)
    return wrapper


# ======================================================================================================================
# IMPORT PATHS
# ======================================================================================================================


def _register(name: str, **members: Any) -> types.ModuleType:
    """A submodule of this single module, for `from openai_responses.ext.httpx import MockTransport`."""
    full = f"{__name__}.{name}"
    module = types.ModuleType(full, f"`{full}`, made by `{__name__}`.")
    module.__spec__ = ModuleSpec(full, None)
    module.__path__ = []
    module.__dict__.update(members)
    module = sys.modules.setdefault(full, module)
    owner, _, last = full.rpartition(".")
    setattr(sys.modules[owner], last, module)
    return module


def _public(module: types.ModuleType) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}


class ContentStore(dict):
    """A store of file bytes by id: `put(id, data)`, `get(id)`, `delete(id)`."""

    def put(self, id: str, data: bytes) -> None:
        """Stores bytes under an id."""
        self[id] = data

    def delete(self, id: str) -> bool:
        """Forgets what is stored under an id; whether there was something."""
        return self.pop(id, None) is not None


def _builder(name: str) -> Callable[..., Any]:
    """A function that makes the answer to a create request, as a model."""

    def build(request: Any, *, extra: Mapping[str, Any] | None = None) -> Any:
        """The model a create request makes; `extra` is a partial merged into it."""
        row = _rows()[name]
        found = re.search(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", row.path) + "$", request.url.path)
        given = {name: (extra or {}).get(name, f"{name}_1") for name in re.findall(r"{(\w+)}", row.path)}
        return _built(row, given | (found.groupdict() if found else {}), request, extra)

    return build


def _thread_builder(name: str) -> Callable[..., Any]:
    """The same for what is made in a thread."""

    def build(thread_id: str, request: Any, *, extra: Mapping[str, Any] | None = None) -> Any:
        """The model a create request makes in a thread; `extra` is a partial merged into it."""
        return _built(_rows()[name], {"thread_id": thread_id}, request, extra)

    return build


def _built(row: Row, params: dict[str, str], request: Any, extra: Mapping[str, Any] | None) -> Any:
    call = Call(OpenAIMock(), row, params, _httpx_request(request))
    call.body, model = _decode(call.request), _model(row.model)
    template = _merge(model, extra, f"{row.name}: extra") if extra else None
    return _as_model(model, _build(call, template, extra))


def _model_builder(path: str) -> Callable[[Mapping[str, Any]], Any]:
    def build(partial: Mapping[str, Any]) -> Any:
        """The model a partial makes, completed by its type."""
        return _as_model(_model(path), _realize(_merge(_model(path), partial, path), StateStore()))

    return build


def _merger(model: Any, partial: Mapping[str, Any]) -> Any:
    """A new model: `model` with the fields of `partial`."""
    base = model.model_dump(mode="json", by_alias=True)
    merged = _complete(type(model), partial, base, type(model).__name__)
    return _as_model(type(model), _realize(merged, StateStore()))


# Functions of the published library, by submodule and name.
_BUILDERS = {
    "assistants": {"assistant_from_create_request": _builder("beta.assistants.create")},
    "chat": {"chat_completion_from_create_request": _builder("chat.completions.create")},
    "embeddings": {"embedding_create_response_from_create_request": _builder("embeddings.create")},
    "messages": {
        "build_message": _model_builder("beta.threads.Message"),
        "message_from_create_request": _thread_builder("beta.threads.messages.create"),
    },
    "moderations": {"moderation_create_response_from_create_request": _builder("moderations.create")},
    "run_steps": {"build_run_step": _model_builder("beta.threads.runs.RunStep")},
    "runs": {"run_from_create_request": _thread_builder("beta.threads.runs.create")},
    "threads": {"thread_from_create_request": _builder("beta.threads.create")},
    "vector_store_files": {"vector_store_file_from_create_request": _builder("vector_stores.files.create")},
    "vector_stores": {"vector_store_from_create_request": _builder("vector_stores.create")},
}
_MERGERS = {
    "assistants": {"merge_assistant_with_partial": _merger},
    "runs": {"merge_run_with_partial": _merger},
    "threads": {"merge_thread_with_partial": _merger},
}


def _register_all() -> None:
    _register("ext")
    _register("ext.httpx", **_public(httpx) | {"MockTransport": MockTransport})
    _register("ext.respx", **_public(respx))
    _register("stores", StateStore=StateStore, ContentStore=ContentStore)
    _register("streaming", EventStream=EventStream, AsyncEventStream=AsyncEventStream)
    _register("plugin", pytest_configure=pytest_configure, pytest_unconfigure=pytest_unconfigure)
    _register("helpers")
    for package, modules in (("builders", _BUILDERS), ("mergers", _MERGERS)):
        _register(f"helpers.{package}")
        for name, functions in modules.items():
            _register(f"helpers.{package}.{name}", **functions)


# ======================================================================================================================
# PYTEST PLUGIN
# ======================================================================================================================

_plugin_active = False


def _for_pytest(wrapper: Any) -> Any:
    """Has the fixture serve the test, whether it asks for it or not."""
    import pytest

    return pytest.mark.usefixtures("openai_mock")(wrapper)


def pytest_configure(config: Any) -> None:
    """Registers the fixture; the module itself does without pytest."""
    global _plugin_active
    _plugin_active = True
    if not config.pluginmanager.has_plugin("openai_responses.fixtures"):
        config.pluginmanager.register(_fixtures(), "openai_responses.fixtures")


def pytest_unconfigure() -> None:
    global _plugin_active
    _plugin_active = False


def _fixtures() -> types.ModuleType:
    import pytest

    @pytest.fixture
    def openai_mock(request: Any) -> Iterator[OpenAIMock]:
        """An active `OpenAIMock`, with the arguments of `@openai_responses.mock(...)` on the test it serves."""
        decoration = getattr(request.function, "openai_mock", None) or types.SimpleNamespace(settings={})
        with OpenAIMock(**decoration.settings) as openai_mock:
            decoration.mock = openai_mock
            yield openai_mock
        decoration.mock = None

    module = types.ModuleType("openai_responses.fixtures")
    module.openai_mock = openai_mock
    return module


__path__: list[str] = []  # makes submodules importable
_register_all()
