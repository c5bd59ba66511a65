-- vidan:transactional
-- The first migration: every table that the house stands on. COMMENTs say what a table is, its kind
-- (fact: INSERT and SELECT only; head: listed columns may change; small: reference data) and its class.

create function vidan_require(ok boolean, code text) returns void
language plpgsql stable as $$
begin
  if ok is not true then
    raise exception using errcode = 'VD001', message = code;
  end if;
end $$;
comment on function vidan_require(boolean, text) is
  'Aborts the whole transaction with SQLSTATE VD001 and the code as message unless ok. The guards of every operation stand on it: one round trip decides and acts.';

create table schema_compat (
  id int primary key check (id = 1),
  min_schema int not null
);
comment on table schema_compat is 'head, public: the oldest schema a binary may expect of this database';
insert into schema_compat values (1, 1);

-- Deployment and keys ---------------------------------------------------------------------------

create table deployment (
  id uuid primary key,
  one boolean not null default true unique check (one),
  kind text not null check (kind in ('sandbox', 'production')),
  issuer text not null,
  kek_check bytea not null,
  created_at timestamptz not null
);
comment on table deployment is 'fact, public: one immutable row; sandbox and production never mix';

create table deployment_keys (
  purpose text not null,
  keyset_id uuid not null,
  kek_epoch int not null,
  state text not null check (state in ('active', 'retired', 'destroyed')),
  wrapped bytea not null,
  created_at timestamptz not null,
  primary key (purpose, keyset_id)
);
comment on table deployment_keys is 'head (kek_epoch, state, wrapped), secret: keysets of the deployment itself: identifier PRF, row MAC, waiting room, references';

create table signing_keys (
  kid text primary key,
  purpose text not null check (purpose in ('token', 'receipt', 'prefill')),
  state text not null check (state in ('next', 'active', 'retired', 'archived')),
  alg text not null,
  public_jwk jsonb not null,
  sealed bytea not null,
  created_at timestamptz not null,
  changed_at timestamptz not null
);
comment on table signing_keys is 'head (state, sealed, changed_at), secret: keys sealed under the deployment together with their state and since when; from retirement on the public part alone; receipt keys stay published for ever';

create table vaults (
  vault_id uuid primary key,
  state text not null default 'open' check (state in ('open', 'joined', 'erased')),
  seq bigint not null default 0,
  created_at timestamptz not null
);
comment on table vaults is 'head (state, seq), sensitive: one per person; its row is the lock of everything that changes the vault';

create table vault_keys (
  vault_id uuid not null,
  purpose text not null check (purpose in ('content', 'record', 'tag')),
  keyset_id uuid not null,
  kek_epoch int not null,
  state text not null check (state in ('active', 'retired', 'destroyed')),
  wrapped bytea not null,
  created_at timestamptz not null,
  primary key (vault_id, purpose, keyset_id)
);
comment on table vault_keys is 'head (kek_epoch, state, wrapped), secret: the keysets of one vault, wrapped by the key-encryption key';

-- People ------------------------------------------------------------------------------------------

create table people (
  vault_id uuid primary key,
  level smallint not null check (level between 0 and 2),
  kind text not null check (kind in ('citizen', 'foreigner', 'pending')),
  life text not null default 'alive' check (life in ('alive', 'death_reported', 'dead')),
  blocked boolean not null default false,
  preferred_channel text not null default 'none' check (preferred_channel in ('sms', 'email', 'post', 'counter', 'none')),
  sealed_profile bytea not null,
  created_at timestamptz not null,
  changed_at timestamptz not null
);
create index people_pending on people (created_at, vault_id) where kind = 'pending';
comment on table people is 'head (level, kind, life, blocked, preferred_channel, sealed_profile, changed_at), sensitive: name, birth date and sex only inside the seal';

create table vault_aliases (
  vault_id uuid not null,
  alias_vault_id uuid not null,
  joined_at timestamptz not null,
  evidence text not null,
  mac bytea not null,
  primary key (vault_id, alias_vault_id)
);
create index vault_aliases_of_alias on vault_aliases (alias_vault_id);
comment on table vault_aliases is 'fact, sensitive: a second vault of the same person; its papers are read with those of vault_id';

create table identifiers (
  prf_key_id int not null,
  digest bytea not null,
  vault_id uuid not null,
  kind text not null check (kind in ('personal_number', 'birth_notice', 'registration')),
  state text not null check (state in ('active', 'ended')),
  valid_from timestamptz not null,
  valid_until timestamptz,
  evidence text not null,
  sealed bytea not null,
  mac bytea not null,
  primary key (prf_key_id, digest, vault_id)
);
create unique index identifiers_one_active on identifiers (prf_key_id, digest) where state = 'active';
create index identifiers_of_vault on identifiers (vault_id);
comment on table identifiers is 'head (state, valid_until, vault_id and mac on a join), sensitive: keyed PRF of a number to a vault; the number only inside the seal';

create table number_proposals (
  vault_id uuid not null,
  proposal_id uuid not null,
  prf_key_id int not null,
  digest bytea not null,
  organisation_id text not null,
  document_id uuid not null,
  state text not null default 'open' check (state in ('open', 'bound', 'refused')),
  sealed bytea not null,
  created_at timestamptz not null,
  primary key (vault_id, proposal_id),
  unique (vault_id, prf_key_id, digest)
);
comment on table number_proposals is 'head (state), sensitive: a number an organisation gave for a newborn; the registrar binds it or not';

create table contacts (
  vault_id uuid not null,
  contact_id uuid not null,
  kind text not null check (kind in ('sms', 'email', 'post')),
  prf_key_id int not null,
  digest bytea not null,
  shared boolean not null,
  state text not null check (state in ('pending', 'active', 'suspended', 'ended')),
  verified_how text not null check (verified_how in ('counter', 'code', 'register', 'none')),
  verified_at timestamptz,
  sealed bytea not null,
  created_at timestamptz not null,
  mac bytea not null,
  primary key (vault_id, contact_id)
);
create index contacts_same_address on contacts (prf_key_id, digest);
comment on table contacts is 'head (state, verified_how, verified_at, mac), sensitive: where a person is reached; a household may share one; the MAC decides whether a one-time code may go there';

create table activation_codes (
  vault_id uuid not null,
  code_hash bytea not null,
  purpose text not null check (purpose in ('activate', 'device', 'recover', 'contact')),
  object_id uuid,
  expires_at timestamptz not null,
  used_at timestamptz,
  failures int not null default 0,
  created_at timestamptz not null,
  primary key (vault_id, code_hash)
);
comment on table activation_codes is 'head (used_at, failures), secret: code_hash is the MAC of a one-time code: the SHA-256 of eight digits is found in a second; object_id is the recovery or the contact that it is for';

create table approvals (
  vault_id uuid not null,
  approval_id uuid not null,
  kind text not null check (kind in ('level', 'recovery', 'settlement', 'contact', 'unblock', 'revival')),
  state text not null check (state in ('open', 'done')),
  organisation_id text not null,
  officer_id text not null,
  digest bytea not null,
  second_organisation_id text,
  second_officer_id text,
  sealed bytea not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  decided_at timestamptz,
  mac bytea not null,
  primary key (vault_id, approval_id)
);
comment on table approvals is 'head (state, second_organisation_id, second_officer_id, decided_at, mac), sensitive: an act that needs two officers, proposed by the first; what it would do only inside the seal; digest is a MAC of it';

create table recoveries (
  vault_id uuid not null,
  recovery_id uuid not null,
  state text not null check (state in ('waiting', 'frozen', 'settled', 'coded', 'used', 'expired')),
  organisation_id text not null,
  level smallint not null,
  settled boolean not null,
  sent boolean not null,
  started_at timestamptz not null,
  ready_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  mac bytea not null,
  primary key (vault_id, recovery_id)
);
create unique index recoveries_one_open on recoveries (vault_id) where state in ('waiting', 'frozen', 'settled', 'coded');
comment on table recoveries is 'head (state, settled, sent, expires_at, used_at, mac), sensitive: an account whose ways in were lost and are replaced; settled: an objection was overruled by another office; sent: the code went to a contact';

create table death_reports (
  vault_id uuid not null,
  report_id uuid not null,
  state text not null check (state in ('reported', 'confirmed', 'denied', 'reversed')),
  organisation_id text not null,
  reported_at timestamptz not null,
  decided_at timestamptz,
  sealed bytea not null,
  mac bytea not null,
  primary key (vault_id, report_id)
);
create unique index death_reports_one_open on death_reports (vault_id) where state in ('reported', 'confirmed');
comment on table death_reports is 'head (state, decided_at, mac), sensitive: who reported a death and what became of the report; the evidence only inside the seal';

create table credentials (
  vault_id uuid not null,
  credential_id uuid not null,
  kind text not null check (kind in ('passphrase', 'device', 'passkey', 'totp', 'codecard')),
  state text not null default 'active' check (state in ('active', 'ended')),
  name text not null,
  secret text,
  public_jwk jsonb,
  jkt text,
  handle bytea,
  public_cose bytea,
  sealed bytea,
  counter bigint not null default 0,
  flags smallint not null default 0,
  created_at timestamptz not null,
  ended_at timestamptz,
  mac bytea not null,
  primary key (vault_id, credential_id)
);
create unique index credentials_one_passphrase on credentials (vault_id) where kind = 'passphrase' and state = 'active';
create unique index credentials_one_device on credentials (vault_id, jkt) where kind = 'device' and state = 'active';
create unique index credentials_one_passkey on credentials (vault_id, handle) where kind = 'passkey' and state = 'active';
create unique index credentials_one_codecard on credentials (vault_id) where kind = 'codecard' and state = 'active';
comment on table credentials is 'head (state, counter, flags, ended_at, mac), secret: argon2id hash of a passphrase, public key of a device or passkey, sealed secret of a code display, or a printed card of codes';
comment on column credentials.handle is 'id of a passkey as its authenticator knows it';
comment on column credentials.counter is 'passkey: signature counter; totp: the last time step that was used; codecard: the number that is asked next, 0 when all are used; each use changes it under the MAC';
comment on column credentials.flags is 'passkey: 1 can be backed up, 2 is backed up';

create table code_card_entries (
  vault_id uuid not null,
  credential_id uuid not null,
  number smallint not null check (number between 1 and 40),
  mac bytea not null,
  used_at timestamptz,
  primary key (vault_id, credential_id, number)
);
comment on table code_card_entries is 'head (mac, used_at), secret: MAC of one printed code; emptied when the code is used';

-- Organisations and clients (small tables) --------------------------------------------------------

create table organisations (
  organisation_id text primary key,
  name_vi text not null,
  name_en text not null,
  kind text not null,
  parent_id text references organisations,
  sector text not null,
  state text not null default 'active' check (state in ('active', 'ended')),
  created_at timestamptz not null
);
comment on table organisations is 'small, public: the names people see; a sector decides which pairwise ids it gets';

create table clients (
  client_id text primary key,
  organisation_id text references organisations,
  name text not null,
  profile text not null check (profile in ('fapi2', 'app', 'conformance')),
  state text not null default 'active' check (state in ('active', 'blocked', 'ended')),
  scopes text[] not null,
  redirect_uris text[] not null,
  userinfo_signed boolean not null default false,
  encryption_jwk text not null default '',
  created_at timestamptz not null,
  mac bytea not null
);
comment on column clients.encryption_jwk is 'public key to which what the client is told of people is encrypted, as JSON Web Key; empty: none';
comment on table clients is 'head (state, redirect_uris, mac), public: programs that hold keys';

create table client_keys (
  client_id text not null references clients,
  kid text not null,
  state text not null default 'active' check (state in ('active', 'ended')),
  public_jwk jsonb not null,
  created_at timestamptz not null,
  ended_at timestamptz,
  revoked_tokens text[] not null default '{}',
  mac bytea not null,
  primary key (client_id, kid)
);
comment on column client_keys.revoked_tokens is 'exp.jti of access tokens obtained with the key that its client has given back before they expired';
comment on table client_keys is 'head (state, ended_at, revoked_tokens, mac), public: verification keys; ended at once when a client is compromised';

create table mandates (
  mandate_id uuid primary key,
  client_id text not null references clients,
  organisation_id text not null references organisations,
  units text[] not null,
  document_types text[] not null,
  procedures text[] not null,
  relations text[] not null,
  rights text[] not null,
  valid_from timestamptz not null,
  valid_until timestamptz not null,
  state text not null default 'active' check (state in ('active', 'ended')),
  mac bytea not null
);
create index mandates_of_client on mandates (client_id);
comment on table mandates is 'head (state, valid_until, mac), public: this client acts for that organisation, for these units, types, procedures, relations and rights; "*" in units means all of the organisation';

create table officers (
  post_id uuid primary key,
  organisation_id text not null references organisations,
  officer_id text not null,
  vault_id uuid not null,
  sealed bytea not null,
  state text not null default 'active' check (state in ('active', 'ended')),
  valid_from timestamptz not null,
  valid_until timestamptz not null,
  ended_at timestamptz,
  created_at timestamptz not null,
  mac bytea not null
);
create unique index officers_by_id on officers (organisation_id, officer_id) where state = 'active';
create unique index officers_by_person on officers (organisation_id, vault_id) where state = 'active';
comment on table officers is 'head (state, ended_at, mac), sensitive: this person acts in this post for that organisation when they have signed in; name, post and unit are sealed';

-- Sign-in and tokens ------------------------------------------------------------------------------

create table subjects (
  sector text not null,
  vault_id uuid not null,
  sub text not null,
  created_at timestamptz not null,
  primary key (vault_id, sector)
);
create unique index subjects_by_sub on subjects (sector, sub);
comment on table subjects is 'fact, sensitive: the random pairwise name of a person towards one sector';

create table sessions (
  vault_id uuid not null,
  session_id uuid not null,
  client_id text not null,
  state text not null default 'active' check (state in ('active', 'ended')),
  level smallint not null,
  amr text[] not null,
  scope text not null default '',
  jkt text,
  auth_time timestamptz not null,
  expires_at timestamptz not null,
  refresh_hash bytea,
  refresh_previous bytea,
  refresh_rotated_at timestamptz,
  ended_at timestamptz,
  created_at timestamptz not null,
  mac bytea not null default '',
  primary key (vault_id, session_id)
);
comment on table sessions is 'head (state, ended_at, jkt, expires_at, refresh_hash, refresh_previous, refresh_rotated_at, mac), sensitive: one sign-in at one client; every token names one and dies with it; the MAC is emptied when it ends';
comment on column sessions.jkt is 'what the session is bound to: the thumbprint of the key of its tokens; of a session of the server''s own pages, "cookie:" and the SHA-256 of its cookie';
comment on column sessions.refresh_hash is 'SHA-256 of the refresh token that works; refresh_previous the one before it, where tokens rotate, and refresh_rotated_at when that was first used';

create table signins (
  signin_hash bytea primary key,
  client_id text not null,
  request jsonb not null,
  pushed_hash bytea,
  vault_id uuid,
  step text not null check (step in ('passphrase', 'choose', 'confirm', 'code', 'card', 'passkey', 'done', 'dead')),
  challenge_id uuid,
  number smallint,
  level smallint not null default 0,
  amr text[] not null default '{}',
  failures int not null default 0,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  mac bytea not null
);
create unique index signins_by_challenge on signins (challenge_id);
create index signins_of_vault on signins (vault_id) where step = 'confirm';
comment on table signins is 'head, secret: one sign-in under way in a browser, named by SHA-256 of its cookie';

create table pushed_requests (
  request_hash bytea primary key,
  client_id text not null,
  request jsonb not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  mac bytea not null
);
comment on table pushed_requests is 'head (used_at), secret: SHA-256 of a request_uri (RFC 9126), presented within 300 s, decided once';

create table backchannel_requests (
  request_hash bytea primary key,
  client_id text not null,
  organisation_id text not null,
  vault_id uuid not null,
  request_id uuid not null,
  scope text not null,
  dpop_jkt text,
  challenge_id uuid not null,
  number smallint not null,
  state text not null check (state in ('waiting', 'allowed', 'denied', 'used')),
  created_at timestamptz not null,
  expires_at timestamptz not null,
  polled_at timestamptz,
  pause int not null,
  mac bytea not null
);
create unique index backchannel_by_challenge on backchannel_requests (challenge_id);
create index backchannel_of_vault on backchannel_requests (vault_id) where state = 'waiting';
create index backchannel_by_age on backchannel_requests using brin (expires_at);
comment on table backchannel_requests is 'head (state, polled_at, pause, mac), secret: SHA-256 of an auth_req_id (CIBA), at most 5 minutes; vault_id: a stand-in where nobody can answer';

create table silenced (
  vault_id uuid not null,
  organisation_id text not null,
  since timestamptz not null,
  state text not null check (state in ('active', 'ended')),
  mac bytea not null,
  primary key (vault_id, organisation_id)
);
comment on table silenced is 'head (since, state, mac), sensitive: from whom a person wants no question on the phone any more';

create table authorization_codes (
  code_hash bytea primary key,
  client_id text not null,
  vault_id uuid not null,
  session_id uuid not null,
  redirect_uri text not null,
  challenge text not null,
  nonce text,
  scope text not null,
  dpop_jkt text,
  request_id uuid,
  expires_at timestamptz not null,
  used_at timestamptz,
  mac bytea not null
);
comment on table authorization_codes is 'head (used_at), secret: SHA-256 of a one-time code, at most 60 s';

create table throttles (
  bucket bytea primary key,
  failures int not null,
  window_start timestamptz not null,
  blocked_until timestamptz not null
);
comment on table throttles is 'head, sensitive: failed sign-ins per account, client, address; the bucket is a keyed digest';

create index signins_by_age on signins using brin (expires_at);
create index authorization_codes_by_age on authorization_codes using brin (expires_at);
create index pushed_requests_by_age on pushed_requests using brin (expires_at);
create index throttles_by_age on throttles (window_start);

create table proof_ids (
  slot smallint not null check (slot between 0 and 15),
  digest bytea not null,
  primary key (slot, digest)
) partition by list (slot);
do $$ begin
  for i in 0..15 loop
    execute format('create table proof_ids_%s partition of proof_ids for values in (%s)', i, i);
  end loop;
end $$;
comment on table proof_ids is 'fact, public: digests of DPoP proofs and client assertions already used; slot = minute in which it stops being acceptable mod 16; emptied by TRUNCATE (RELIABILITY T14)';

-- Papers --------------------------------------------------------------------------------------------

create table papers (
  document_id uuid primary key,
  vault_id uuid not null,
  organisation_id text not null,
  second uuid,
  created_at timestamptz not null,
  mac bytea not null
);
comment on table papers is 'fact, sensitive: the home vault of a paper, one home for ever; second is a keyed name of the second person of a paper about two, null for others';

create table documents (
  vault_id uuid not null,
  document_id uuid not null,
  type_tag bytea not null,
  state text not null check (state in ('current', 'revoked')),
  current_revision int not null,
  sealed_header bytea not null,
  added_at timestamptz not null,
  changed_at timestamptz not null,
  primary key (vault_id, document_id)
);
create index documents_by_tag on documents (vault_id, type_tag);
comment on table documents is 'head (state, current_revision, sealed_header, changed_at), sensitive: type, issuer, validity only inside the seal';

create table document_revisions (
  vault_id uuid not null,
  document_id uuid not null,
  revision int not null check (revision > 0),
  state text not null check (state in ('issued', 'corrected', 'revoked')),
  payload_sha256 bytea not null,
  issued_at timestamptz not null,
  received_at timestamptz not null,
  sealed bytea not null,
  primary key (vault_id, document_id, revision)
);
comment on table document_revisions is 'fact, sensitive: the signed message exactly as delivered, compressed inside the seal';

create table holdings (
  vault_id uuid not null,
  holding_id uuid not null,
  side text not null check (side in ('home', 'holder')),
  document_id uuid not null,
  state text not null check (state in ('active', 'ended')),
  valid_from timestamptz not null,
  valid_until timestamptz,
  sealed bytea not null,
  mac bytea not null,
  changed_at timestamptz not null,
  primary key (vault_id, holding_id)
);
create index holdings_of_document on holdings (vault_id, document_id);
comment on table holdings is 'head (state, valid_until, mac, changed_at), sensitive: the right to see a document in another vault; the home side decides, the other side named only inside the seal';

create table receipts (
  organisation_id text not null,
  result_id uuid not null,
  document_id uuid not null,
  revision int not null,
  payload_sha256 bytea not null,
  status text not null check (status in ('accepted', 'quarantined')),
  client_id text not null,
  receipt text not null,
  received_at timestamptz not null,
  primary key (organisation_id, result_id)
);
create index receipts_by_paper on receipts (document_id, revision);
comment on table receipts is 'fact, sensitive: the signed receipt, returned byte for byte; names no vault';

create table waiting_results (
  waiting_id uuid primary key,
  organisation_id text not null,
  client_id text not null,
  result_id uuid not null,
  document_id uuid not null,
  revision int not null,
  state text not null default 'waiting' check (state in ('waiting', 'applied', 'quarantined')),
  sealed bytea not null,
  received_at timestamptz not null,
  deadline timestamptz not null
);
create index waiting_results_due on waiting_results (deadline) where state = 'waiting';
create index waiting_results_by_paper on waiting_results (document_id, revision);
create table waiting_identifiers (
  prf_key_id int not null,
  digest bytea not null,
  waiting_id uuid not null references waiting_results,
  primary key (prf_key_id, digest, waiting_id)
);
comment on table waiting_results is 'head (state, sealed emptied when applied), sensitive: results whose person is not known yet';
comment on table waiting_identifiers is 'fact, sensitive: under which numbers a result waits';

create table quarantine (
  quarantine_id uuid primary key,
  organisation_id text not null,
  client_id text not null,
  result_id uuid not null,
  document_id uuid not null,
  revision int not null,
  reason text not null check (reason in ('subject_ambiguous', 'subject_changed', 'number_unknown', 'revision_conflict')),
  holder text not null,
  state text not null default 'open' check (state in ('open', 'stored', 'discarded')),
  deadline timestamptz not null,
  sealed bytea not null,
  created_at timestamptz not null,
  overdue_at timestamptz,
  resolved_at timestamptz,
  resolved_by text,
  resolution bytea
);
create unique index quarantine_once on quarantine (organisation_id, result_id);
create index quarantine_open on quarantine (holder, deadline) where state = 'open';
create index quarantine_late on quarantine (deadline) where state = 'open' and overdue_at is null;
comment on table quarantine is 'head (state, sealed, overdue_at, resolved_at, resolved_by, resolution), sensitive: valid but ambiguous results; each has a holder and a deadline; overdue_at: when its lateness was told; resolution: the holder''s words, sealed';

create table refusals (
  refusal_id uuid primary key,
  organisation_id text,
  client_id text not null,
  at timestamptz not null,
  status smallint not null,
  code text not null,
  faults jsonb not null,
  payload_sha256 bytea
);
create index refusals_of_organisation on refusals (organisation_id, at);
comment on table refusals is 'fact, public: results refused and why: pointers and codes, never a value';

-- Authority and consent ---------------------------------------------------------------------------

create table relations (
  vault_id uuid not null,
  relation_id uuid not null,
  side text not null check (side in ('home', 'actor')),
  state text not null check (state in ('proposed', 'active', 'suspended', 'restricted', 'ended')),
  document_id uuid,
  valid_from timestamptz not null,
  valid_until timestamptz,
  decide_after timestamptz,
  sealed bytea not null,
  mac bytea not null,
  changed_at timestamptz not null,
  primary key (vault_id, relation_id)
);
create index relations_due on relations (decide_after) where state = 'proposed';
comment on table relations is 'head (state, valid_until, decide_after, sealed, mac, changed_at), sensitive: who may act for whom; home = the vault of the person acted for, which decides; the other side named only inside the seal';

create table relation_facts (
  vault_id uuid not null,
  relation_id uuid not null,
  fact_id uuid not null,
  kind text not null,
  at timestamptz not null,
  sealed bytea not null,
  primary key (vault_id, relation_id, fact_id)
);
comment on table relation_facts is 'fact, sensitive: every change of a relation with its reason; the head can be rebuilt from it';

create table relation_waits (
  prf_key_id int not null,
  digest bytea not null,
  vault_id uuid not null,
  relation_id uuid not null,
  primary key (prf_key_id, digest, vault_id, relation_id)
);
comment on table relation_waits is 'fact, sensitive: relations whose actor was not enrolled yet, under the keyed digest of the actor''s number';

create table consent_requests (
  request_id uuid primary key,
  organisation_id text not null,
  client_id text not null,
  state text not null default 'open' check (state in ('open', 'closed')),
  party_vaults uuid[] not null,
  digest bytea not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  sealed bytea not null
);
create index consent_requests_of_organisation on consent_requests (organisation_id, created_at);
comment on table consent_requests is 'head (state), sensitive: what an organisation asks; procedure, dossier, people and fields only inside the seal';

create table request_parties (
  vault_id uuid not null,
  request_id uuid not null,
  state text not null default 'asked' check (state in ('asked', 'allowed', 'denied')),
  organisation_id text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  decided_at timestamptz,
  sealed bytea not null,
  primary key (vault_id, request_id)
);
comment on table request_parties is 'head (state, decided_at), sensitive: one person asked by one request';

create table grants (
  vault_id uuid not null,
  grant_id uuid not null,
  request_id uuid not null,
  organisation_id text not null,
  client_id text not null,
  mode text not null check (mode in ('once', 'uses', 'until')),
  state text not null check (state in ('active', 'paused', 'consumed', 'withdrawn', 'expired', 'suspended')),
  uses_left int,
  valid_from timestamptz not null,
  valid_until timestamptz not null,
  pinned_documents uuid[] not null,
  pinned_revisions int[] not null,
  version int not null check (version > 0),
  sealed bytea not null,
  mac bytea not null,
  changed_at timestamptz not null,
  primary key (vault_id, grant_id),
  unique (vault_id, request_id)
);
comment on table grants is 'head (state, uses_left, version, mac, changed_at), sensitive: what one person allowed; the MAC covers every column but changed_at, version counts the changes';

create table grant_events (
  vault_id uuid not null,
  grant_id uuid not null,
  event_id uuid not null,
  kind text not null check (kind in ('granted', 'denied', 'paused', 'resumed', 'used', 'withdrawn', 'expired', 'suspended')),
  at timestamptz not null,
  receipt text,
  version int,
  sealed bytea not null,
  primary key (vault_id, grant_id, event_id)
);
create unique index grant_events_newest on grant_events (vault_id, grant_id, version) where version is not null;
comment on column grant_events.version is 'of the grant after this event, null where it left the row as it was: an older row of grants is not believed';
comment on table grant_events is 'fact, sensitive: every change of a grant, with the signed receipt given to the person; the head can be rebuilt from it';

create table disclosures (
  vault_id uuid not null,
  disclosure_id uuid not null,
  grant_id uuid not null,
  request_id uuid not null,
  organisation_id text not null,
  at timestamptz not null,
  pinned_documents uuid[] not null,
  pinned_revisions int[] not null,
  sealed bytea not null,
  primary key (vault_id, disclosure_id)
);
comment on table disclosures is 'fact, sensitive: one release under one grant: which revisions; fields and officer inside the seal; never a value';

-- Record, outbox, events ----------------------------------------------------------------------------

create table access_log (
  vault_id uuid not null,
  month date not null check (extract(day from month) = 1),
  entry_id uuid not null,
  at timestamptz not null,
  kind text not null,
  organisation_id text,
  commitment bytea not null,
  sealed bytea not null,
  primary key (vault_id, month, entry_id)
) partition by range (month);
do $$ declare m date := date '2026-11-01'; begin
  while m < date '2029-01-01' loop
    execute format('create table access_log_%s partition of access_log for values from (%L) to (%L)',
      to_char(m, 'YYYYMM'), m, (m + interval '1 month')::date);
    m := (m + interval '1 month')::date;
  end loop;
end $$;
create table access_log_other partition of access_log default;
comment on table access_log is 'fact, sensitive: every act, reading, refusal and attempt on a vault; who, why and what only inside the seal of the record keyset';

create table outbox (
  outbox_id uuid primary key,
  kind text not null,
  vault_id uuid,
  organisation_id text,
  args jsonb not null,
  created_at timestamptz not null,
  not_before timestamptz not null,
  attempts int not null default 0
);
create index outbox_due on outbox (not_before);
comment on table outbox is 'work: exists from the transaction that made it until the relay handed it on; ids only, no personal value; rows are deleted';

create table organisation_events (
  organisation_id text not null,
  seq bigint not null,
  event_id uuid not null,
  kind text not null,
  at timestamptz not null,
  body jsonb not null,
  primary key (organisation_id, seq),
  unique (organisation_id, event_id)
);
comment on table organisation_events is 'fact, public: what happened to an organisation''s results and requests, numbered by the relay after commit; ids of its own sector only; kept 90 days';

create table event_heads (
  organisation_id text primary key,
  seq bigint not null
);
comment on table event_heads is 'head (seq), public: the last number given; its row is the lock of the relay';

create table messages (
  vault_id uuid not null,
  message_id uuid not null,
  contact_id uuid,
  template text not null,
  state text not null check (state in ('queued', 'sent', 'failed', 'held')),
  sealed bytea not null,
  created_at timestamptz not null,
  sent_at timestamptz,
  primary key (vault_id, message_id)
);
create index messages_held on messages (message_id) where state = 'held';
comment on table messages is 'head (state, sent_at), sensitive: what is sent to a person; texts are free of content except one-time codes, which are sealed';

create table idempotency (
  scope bytea not null,
  key_hash bytea not null,
  request_sha256 bytea not null,
  reference jsonb not null,
  created_at timestamptz not null,
  primary key (scope, key_hash)
);
comment on table idempotency is 'fact, sensitive: the reference from which the first answer is rendered again; never a value';

create index idempotency_by_age on idempotency using brin (created_at);

create function vidan_forget(at timestamptz, most int) returns bigint
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  due timestamptz := least(at, clock_timestamp());
  n bigint;
  gone bigint := 0;
begin
  delete from signins where ctid in (
    select ctid from signins where expires_at < due - interval '1 day' limit most for update skip locked);
  get diagnostics n = row_count;
  gone := gone + n;
  delete from authorization_codes where ctid in (
    select ctid from authorization_codes where expires_at < due - interval '1 day' limit most for update skip locked);
  get diagnostics n = row_count;
  gone := gone + n;
  delete from pushed_requests where ctid in (
    select ctid from pushed_requests where expires_at < due - interval '1 day' limit most for update skip locked);
  get diagnostics n = row_count;
  gone := gone + n;
  delete from backchannel_requests where ctid in (
    select ctid from backchannel_requests where expires_at < due - interval '1 day' limit most for update skip locked);
  get diagnostics n = row_count;
  gone := gone + n;
  delete from throttles where ctid in (
    select ctid from throttles where window_start < due - interval '2 days' and blocked_until < due limit most for update skip locked);
  get diagnostics n = row_count;
  gone := gone + n;
  delete from activation_codes where ctid in (
    select ctid from activation_codes where expires_at < due - interval '30 days' limit most for update skip locked);
  get diagnostics n = row_count;
  gone := gone + n;
  delete from idempotency where ctid in (
    select ctid from idempotency where created_at < due - interval '90 days' limit most for update skip locked);
  get diagnostics n = row_count;
  return gone + n;
end $$;
comment on function vidan_forget(timestamptz, int) is
  'Deletes rows of one-time things that nothing asks for any more, at most so many of each table, and returns how many. Whoever may call it can delete nothing else, and nothing before its term: neither by the clock that is passed nor by another (docs/decisions/0015).';

create table sandbox_state (
  one boolean primary key default true check (one),
  clock_offset_seconds bigint not null default 0,
  contents bytea not null,
  created_at timestamptz not null
);
comment on table sandbox_state is 'head, sandbox only: the moved clock and the printed keys of the fictional cast';

create table sandbox_messages (
  message_id uuid primary key,
  at timestamptz not null,
  channel text not null,
  address text not null,
  template text not null,
  body_vi text not null,
  body_en text not null
);
comment on table sandbox_messages is 'fact, sandbox only: what a gateway would have sent, to whom';
