-- from: auth.sqlTokenState

select vidan_require(v.refusal is null, v.refusal) from (
  select case
      when c.state is distinct from 'active' then 'client_blocked'
      when k.state is distinct from 'active' then 'client_key_ended'
      when c.mac is distinct from $3 or k.mac is distinct from $4 then 'client_changed'
    end as refusal
  from (values ($1::text, $2::text)) as a (client_id, kid)
  left join clients c on c.client_id = a.client_id
  left join client_keys k on k.client_id = a.client_id and k.kid = a.kid
) as v
;
-- from: auth.sqlUseProofs
insert into proof_ids (slot, digest) values ($1, $2), ($3, $4)
;
-- from: auth.sqlUseProof
insert into proof_ids (slot, digest) values ($1, $2)
;
-- from: auth.sqlGuardMachine

select vidan_require(v.refusal is null, v.refusal), v.client, v.key
from (
  select case
      when c.state is distinct from 'active' then 'client_blocked'
      when k.state is distinct from 'active' or $5 = any (k.revoked_tokens) then 'token_revoked'
    end as refusal,
    case when c.mac is distinct from $2 then jsonb_build_object(
      'client_id', c.client_id, 'organisation_id', c.organisation_id, 'name', c.name, 'profile', c.profile, 'state', c.state,
      'scopes', c.scopes, 'redirect_uris', c.redirect_uris, 'userinfo_signed', c.userinfo_signed, 'encryption_jwk', c.encryption_jwk,
      'created_at', c.created_at, 'mac', encode(c.mac, 'base64')) end as client,
    case when k.mac is distinct from a.mac then jsonb_build_object(
      'client_id', k.client_id, 'kid', k.kid, 'state', k.state, 'public_jwk', k.public_jwk, 'created_at', k.created_at,
      'ended_at', k.ended_at, 'mac', encode(k.mac, 'base64')) end as key
  from unnest($3::text[], $4::bytea[]) as a (kid, mac)
  left join clients c on c.client_id = $1
  left join client_keys k on k.client_id = $1 and k.kid = a.kid
) as v
;
-- from: auth.sqlGuardCitizen

select vidan_require(v.refusal is null, v.refusal), v.client, v.session
from (
  select case
      when c.state is distinct from 'active' then 'client_blocked'
      when p.life is distinct from 'alive' or p.blocked then 'person_blocked'
      when s.state is distinct from 'active' or s.client_id <> c.client_id or s.expires_at <= $6 or s.level < $5 or p.level < $5
        then 'token_revoked'
    end as refusal,
    case when c.mac is distinct from $2 then jsonb_build_object(
      'client_id', c.client_id, 'organisation_id', c.organisation_id, 'name', c.name, 'profile', c.profile, 'state', c.state,
      'scopes', c.scopes, 'redirect_uris', c.redirect_uris, 'userinfo_signed', c.userinfo_signed, 'encryption_jwk', c.encryption_jwk,
      'created_at', c.created_at, 'mac', encode(c.mac, 'base64')) end as client,
    case when s.mac is distinct from $7 then jsonb_build_object(
      'client_id', s.client_id, 'level', s.level, 'amr', s.amr, 'scope', s.scope, 'jkt', coalesce(s.jkt, ''), 'auth_time', s.auth_time,
      'expires_at', s.expires_at, 'mac', encode(s.mac, 'base64')) end as session
  from (values ($1::text)) as a (client_id)
  left join clients c on c.client_id = a.client_id
  left join sessions s on s.vault_id = $3 and s.session_id = $4
  left join people p on p.vault_id = $3
) as v
;
-- from: auth.sqlGuardMandate

select vidan_require(m.mandate_id is not null, 'mandate_missing'), m.mandate_id, m.client_id, m.organisation_id, m.units,
  m.document_types, m.procedures, m.relations, m.rights, m.valid_from, m.valid_until, m.state, m.mac
from (values ($1::text)) as a (client_id)
left join mandates m on m.client_id = a.client_id and m.organisation_id = $2 and m.state = 'active'
  and m.valid_from <= $7 and $7 < m.valid_until
  and ($3 = '' or $3 = any (m.units) or '*' = any (m.units))
  and ($4 = '' or $4 = any (m.document_types))
  and ($5 = '' or $5 = any (m.procedures))
  and ($6 = '' or $6 = any (m.rights))
  and exists (select 1 from organisations o where o.organisation_id = $2 and o.state = 'active')
order by m.mandate_id
;
-- from: audit.sqlInsert
insert into access_log
  (vault_id, month, entry_id, at, kind, organisation_id, commitment, sealed)
  values ($1, $2, $3, $4, $5, $6, $7, $8)
;
-- from: wallet.recordIfHas
insert into access_log
  (vault_id, month, entry_id, at, kind, organisation_id, commitment, sealed)
  select $4::uuid, $5::date, $6::uuid, $7::timestamptz, $8::text, $9::text, $10::bytea, $11::bytea
  where exists (select 1 from document_revisions where vault_id = $1 and document_id = $2 and ($3::int = 0 or revision = $3::int))
;
-- from: consent.recordIfState
insert into access_log
  (vault_id, month, entry_id, at, kind, organisation_id, commitment, sealed)
  select $4::uuid, $5::date, $6::uuid, $7::timestamptz, $8::text, $9::text, $10::bytea, $11::bytea
  where exists (select 1 from relations where vault_id = $1 and relation_id = $2 and state = $3)
;
-- from: intake.sqlLeadKeys
select k.vault_id, k.purpose, k.keyset_id, k.kek_epoch, k.state, k.wrapped from vault_keys k
  where k.vault_id in (
    select i.vault_id from identifiers i join unnest($1::int[], $2::bytea[]) as w(key_id, digest)
      on i.prf_key_id = w.key_id and i.digest = w.digest
    where i.state = 'active')
;
-- from: seal.sqlVaultKeys

select vault_id, purpose, keyset_id, kek_epoch, state, wrapped
from vault_keys where vault_id = any($1) order by vault_id, purpose, keyset_id
;
-- from: intake.sqlLookFresh
select o.sector, r.payload_sha256, r.receipt, p.vault_id, p.organisation_id, p.second, p.created_at, p.mac,
  exists (
    select from receipts h left join quarantine q on q.organisation_id = h.organisation_id and q.result_id = h.result_id
    where h.document_id = $3 and h.revision = $4 and h.payload_sha256 <> $5
      and (coalesce(q.state, 'stored') = 'stored' or h.status = 'accepted' and q.state = 'open')),
  case when p.vault_id is null then false else exists (
    select from document_revisions d where d.document_id = p.document_id and d.revision > $4 and d.vault_id in (select p.vault_id
    union select a.vault_id from vault_aliases a where a.alias_vault_id = p.vault_id
    union select b.alias_vault_id from vault_aliases a join vault_aliases b on b.vault_id = a.vault_id where a.alias_vault_id = p.vault_id)) end
  from organisations o
  left join receipts r on r.organisation_id = o.organisation_id and r.result_id = $2
  left join papers p on p.document_id = $3
  where o.organisation_id = $1
;
-- from: person.sqlFind
select i.prf_key_id, i.digest, i.vault_id, i.kind, i.valid_from, i.valid_until, i.evidence, i.mac from identifiers i
  where i.state = 'active' and i.vault_id in (
    select f.vault_id from identifiers f join unnest($1::int[], $2::bytea[]) as w(key_id, digest)
      on f.prf_key_id = w.key_id and f.digest = w.digest
    where f.state = 'active')
;
-- from: wallet.sqlLock

update vaults set seq = seq + 1 where vault_id = $1 returning vidan_require(state = 'open', 'vault_closed')
;
-- from: intake.sqlInsertReceipt
insert into receipts
  (organisation_id, result_id, document_id, revision, payload_sha256, status, client_id, receipt, received_at)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
;
-- from: intake.sqlInsertPaper
insert into papers (document_id, vault_id, organisation_id, second, created_at, mac)
  select $1, $2, $3, $4, $5, $6 from pg_advisory_xact_lock($7) as locked
;
-- from: intake.sqlWakePaper
insert into outbox (outbox_id, kind, organisation_id, args, created_at, not_before)
  select gen_random_uuid(), 'waiting.apply', w.organisation_id, jsonb_build_object('waiting_id', w.waiting_id), $2, $2
  from waiting_results w where w.document_id = $1 and w.state = 'waiting'
;
-- from: wallet.sqlInsertRevision

insert into document_revisions (vault_id, document_id, revision, state, payload_sha256, issued_at, received_at, sealed)
values ($1, $2, $3, $4, $5, $6, $7, $8)
;
-- from: wallet.sqlMoveHead

insert into documents (vault_id, document_id, type_tag, state, current_revision, sealed_header, added_at, changed_at)
values ($1, $2, $3, $4, $5, $6, $7, $7)
on conflict (vault_id, document_id) do update
set state = excluded.state, current_revision = excluded.current_revision, sealed_header = excluded.sealed_header, changed_at = excluded.changed_at
where documents.current_revision < excluded.current_revision
;
-- from: consent.sqlInsertHome

insert into relations (vault_id, relation_id, side, state, document_id, valid_from, valid_until, decide_after, sealed, mac, changed_at)
select $1, $2, 'home', case when f.free then 'active' else 'proposed' end, $3, $4, $5,
  case when f.free then null else $6::timestamptz end,
  case when f.free then $7::bytea else $8::bytea end, case when f.free then $9::bytea else $10::bytea end, $4
from (select $11 and not exists (select 1 from relations
  where vault_id = $1 and side = 'home' and state <> 'ended' and relation_id <> all($12)) as free) f
;
-- from: consent.sqlInsertFirstFact

insert into relation_facts (vault_id, relation_id, fact_id, kind, at, sealed)
select $1, $2, $3, state, $4, case when state = 'active' then $5::bytea else $6::bytea end
from relations where vault_id = $1 and relation_id = $2
;
-- from: delivery.sqlQueue
insert into outbox
  (outbox_id, kind, vault_id, organisation_id, args, created_at, not_before)
  values ($1, $2, $3, $4, $5, $6, $7)
;
-- from: wallet.sqlCurrent

select revision, state, payload_sha256, issued_at, received_at, sealed
from document_revisions where vault_id = $1 and document_id = $2 order by revision desc limit 1
;
-- from: pg.try lock
select vidan_require(pg_try_advisory_xact_lock($1), 'busy')
;
-- from: prefill.sqlOrder
select request_sha256 from idempotency where scope = $1 and key_hash = $2
;
-- from: consent.sqlShareVaults

select v.vault_id, p.life = 'alive' and not p.blocked and v.state <> 'erased'
from vaults v join people p on p.vault_id = v.vault_id where v.vault_id = any($1) order by v.vault_id for share of v
;
-- from: consent.sqlShareGrants

select
  g.vault_id, g.grant_id, g.request_id, g.organisation_id, g.client_id, g.mode, g.state, g.uses_left, g.valid_from, g.valid_until,
  g.pinned_documents, g.pinned_revisions, g.version, g.sealed, g.mac,
  (select max(e.version) from grant_events e where e.vault_id = g.vault_id and e.grant_id = g.grant_id)
from grants g where g.vault_id = any($1) and g.request_id = $2 and g.mode = 'until' order by g.vault_id for share
;
-- from: consent.sqlTakeGrants

select
  g.vault_id, g.grant_id, g.request_id, g.organisation_id, g.client_id, g.mode, g.state, g.uses_left, g.valid_from, g.valid_until,
  g.pinned_documents, g.pinned_revisions, g.version, g.sealed, g.mac,
  (select max(e.version) from grant_events e where e.vault_id = g.vault_id and e.grant_id = g.grant_id)
from grants g where g.vault_id = any($1) and g.request_id = $2 and g.mode <> 'until' order by g.vault_id for no key update
;
-- from: consent.sqlDisclosed

select vault_id, sealed from disclosures
where vault_id = any($1) and disclosure_id = $2 and request_id = $3
;
-- from: wallet.sqlPapers

select d.vault_id, d.type_tag, d.document_id, r.revision, r.state, r.payload_sha256, r.issued_at, r.received_at, r.sealed
from unnest($1::uuid[], $2::bytea[]) as w (vault_id, type_tag)
join documents d on d.vault_id = w.vault_id and d.type_tag = w.type_tag
join document_revisions r on r.vault_id = d.vault_id and r.document_id = d.document_id
order by d.vault_id, d.document_id, r.revision desc
;
-- from: wallet.sqlHolders

select vault_id, holding_id, document_id, state, valid_from, valid_until, changed_at, sealed, mac
from holdings
where vault_id = any($1) and side = 'home' and state = 'active'
  and valid_from <= $2 and (valid_until is null or valid_until > $2)
;
-- from: person.sqlPerson
select level, kind, life, sealed_profile from people where vault_id = $1
;
-- from: person.sqlNumber
select i.prf_key_id, i.digest, i.vault_id, i.kind, i.valid_from, i.valid_until, i.evidence, i.mac, i.sealed from identifiers i
  where i.vault_id = $1 and i.kind = 'personal_number' and i.state = 'active' and i.valid_until is null
;
-- from: consent.sqlInsertDisclosures

insert into disclosures (vault_id, disclosure_id, grant_id, request_id, organisation_id, at, pinned_documents, pinned_revisions, sealed)
select g.vault_id, $3, g.grant_id, g.request_id, g.organisation_id, $4, $5, $6, $7
from grants g where g.vault_id = $1 and g.grant_id = $2 and g.mac = $8
;
-- from: consent.sqlInsertUsed

insert into grant_events (vault_id, grant_id, event_id, kind, at, receipt, version, sealed)
select g.vault_id, g.grant_id, $3, 'used', $4, null, nullif($5::int, 0), $6
from grants g where g.vault_id = $1 and g.grant_id = $2 and g.mac = $7
;
-- from: consent.sqlAllUsed

select vidan_require((select count(*) from disclosures where vault_id = any($1) and disclosure_id = $2) = $3, 'grant_consumed')
;
-- from: prefill.sqlInsertOrder
insert into idempotency (scope, key_hash, request_sha256, reference, created_at) values ($1, $2, $3, $4, $5)
;
-- from: auth.sqlRefreshPerson
select vidan_require(s.level is null or p.level >= s.level, 'insufficient_level'), coalesce(n.sub, '')
from (values ($1::uuid, $2::uuid, $3::text)) as a (vault_id, session_id, sector)
left join people p on p.vault_id = a.vault_id
left join sessions s on s.vault_id = a.vault_id and s.session_id = a.session_id
left join subjects n on n.vault_id = a.vault_id and n.sector = a.sector
;
-- from: auth.sqlRefresh
select level, amr, scope, coalesce(jkt, ''), auth_time, expires_at, mac from sessions
where vault_id = $1 and session_id = $2 and state = 'active' and expires_at > $6 and client_id = $3 and refresh_hash = $4
  and $5::text[] <@ string_to_array(scope, ' ')
;
-- from: auth.sqlAskCitizen

select v.refusal, v.client, v.session
from (
  select case
      when c.state is distinct from 'active' then 'client_blocked'
      when p.life is distinct from 'alive' or p.blocked then 'person_blocked'
      when s.state is distinct from 'active' or s.client_id <> c.client_id or s.expires_at <= $6 or s.level < $5 or p.level < $5
        then 'token_revoked'
    end as refusal,
    case when c.mac is distinct from $2 then jsonb_build_object(
      'client_id', c.client_id, 'organisation_id', c.organisation_id, 'name', c.name, 'profile', c.profile, 'state', c.state,
      'scopes', c.scopes, 'redirect_uris', c.redirect_uris, 'userinfo_signed', c.userinfo_signed, 'encryption_jwk', c.encryption_jwk,
      'created_at', c.created_at, 'mac', encode(c.mac, 'base64')) end as client,
    case when s.mac is distinct from $7 then jsonb_build_object(
      'client_id', s.client_id, 'level', s.level, 'amr', s.amr, 'scope', s.scope, 'jkt', coalesce(s.jkt, ''), 'auth_time', s.auth_time,
      'expires_at', s.expires_at, 'mac', encode(s.mac, 'base64')) end as session
  from (values ($1::text)) as a (client_id)
  left join clients c on c.client_id = a.client_id
  left join sessions s on s.vault_id = $3 and s.session_id = $4
  left join people p on p.vault_id = $3
) as v
;
-- from: person.sqlMaySignIn
select vidan_require(exists (select from people p join vaults v on v.vault_id = p.vault_id
  where p.vault_id = $1 and p.life in ('alive', 'death_reported') and not p.blocked and v.state = 'open'), 'person_blocked')
;
