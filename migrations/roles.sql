-- Rights, table by table (DESIGN §4). Run after every migration; safe to repeat.
-- vidan_serve runs the service; vidan_audit reads the record and what is needed to check it; the owner migrates.
do $$ begin
  if not exists (select from pg_roles where rolname = 'vidan_serve') then create role vidan_serve nologin; end if;
  if not exists (select from pg_roles where rolname = 'vidan_audit') then create role vidan_audit nologin; end if;
exception when duplicate_object or unique_violation then null; -- another database of this cluster was faster
end $$;

revoke all on all tables in schema public from vidan_serve, vidan_audit, public;
grant usage on schema public to vidan_serve, vidan_audit;

-- Facts: what happened stays.
grant select, insert on
  deployment, vault_aliases, subjects, proof_ids, papers, document_revisions, receipts, refusals, waiting_identifiers,
  relation_facts, relation_waits, grant_events, disclosures, access_log, organisation_events, idempotency
  to vidan_serve;

-- Heads: only the listed columns change.
grant select, insert on
  deployment_keys, signing_keys, vaults, vault_keys, people, identifiers, number_proposals, contacts, activation_codes, approvals, recoveries, death_reports, credentials, code_card_entries,
  organisations, clients, client_keys, mandates, officers, sessions, signins, pushed_requests, backchannel_requests, silenced, authorization_codes, throttles, documents, holdings,
  waiting_results, quarantine, relations, consent_requests, request_parties, grants, event_heads, messages
  to vidan_serve;
grant update (kek_epoch, state, wrapped) on deployment_keys, vault_keys to vidan_serve;
grant update (state, sealed, changed_at) on signing_keys to vidan_serve;
grant update (state, seq) on vaults to vidan_serve;
grant update (level, kind, life, blocked, preferred_channel, sealed_profile, changed_at) on people to vidan_serve;
grant update (state, valid_until, vault_id, mac) on identifiers to vidan_serve;
grant update (state) on number_proposals to vidan_serve;
grant update (state, verified_how, verified_at, mac) on contacts to vidan_serve;
grant update (state, second_organisation_id, second_officer_id, decided_at, mac) on approvals to vidan_serve;
grant update (state, settled, sent, expires_at, used_at, mac) on recoveries to vidan_serve;
grant update (state, decided_at, mac) on death_reports to vidan_serve;
grant update (used_at, failures) on activation_codes to vidan_serve;
grant update (state, counter, flags, ended_at, mac) on credentials to vidan_serve;
grant update (mac, used_at) on code_card_entries to vidan_serve;
grant update (state) on organisations to vidan_serve;
grant update (state, redirect_uris, mac) on clients to vidan_serve;
grant update (state, ended_at, revoked_tokens, mac) on client_keys to vidan_serve;
grant update (state, valid_until, mac) on mandates to vidan_serve;
grant update (state, ended_at, mac) on officers to vidan_serve;
grant update (state, ended_at, jkt, expires_at, refresh_hash, refresh_previous, refresh_rotated_at, mac) on sessions to vidan_serve;
grant update (vault_id, step, challenge_id, number, level, amr, failures, mac) on signins to vidan_serve;
grant update (used_at) on authorization_codes, pushed_requests to vidan_serve;
grant update (state, polled_at, pause, mac) on backchannel_requests to vidan_serve;
grant update (since, state, mac) on silenced to vidan_serve;
grant update (failures, window_start, blocked_until) on throttles to vidan_serve;
grant update (state, current_revision, sealed_header, changed_at) on documents to vidan_serve;
grant update (state, valid_until, mac, changed_at) on holdings to vidan_serve;
grant update (state, sealed) on waiting_results to vidan_serve;
grant update (state, sealed, overdue_at, resolved_at, resolved_by, resolution) on quarantine to vidan_serve;
grant update (state, valid_until, decide_after, sealed, mac, changed_at) on relations to vidan_serve;
grant update (state) on consent_requests to vidan_serve;
grant update (state, decided_at) on request_parties to vidan_serve;
grant update (state, uses_left, version, mac, changed_at) on grants to vidan_serve;
grant update (seq) on event_heads to vidan_serve;
grant update (state, sent_at) on messages to vidan_serve;

-- Rows of one-time things are forgotten by their age, through one function, and by no statement of the service's own.
revoke all on function vidan_forget(timestamptz, int) from public;
grant execute on function vidan_forget(timestamptz, int) to vidan_serve;

-- Work: rows are deleted when done.
grant select, insert, update (attempts, not_before), delete on outbox to vidan_serve;
do $$ begin
  for i in 0..15 loop
    execute format('grant truncate on proof_ids_%s to vidan_serve', i);
  end loop;
end $$;

-- The job queue brings its own tables in its own schema; rows are ids and states of work (delivery D4).
revoke all on all tables in schema river from vidan_serve, vidan_audit, public;
grant usage on schema river to vidan_serve;
grant select, insert, update, delete on all tables in schema river to vidan_serve;
revoke insert, update, delete on river.river_migration from vidan_serve;
grant usage on all sequences in schema river to vidan_serve;

-- The sandbox keeps its own two tables; a production database leaves them empty.
grant select, insert, update on sandbox_state to vidan_serve;
grant select, insert, delete on sandbox_messages to vidan_serve;
grant select on schema_compat, schema_version to vidan_serve, vidan_audit;

grant select on access_log, vaults, vault_keys, deployment, deployment_keys, documents, document_revisions, grants, grant_events,
  disclosures, relations, relation_facts, receipts to vidan_audit;
