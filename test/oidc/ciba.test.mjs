// Asking on the phone (OpenID Connect CIBA Core 1.0, poll mode): the library asks and polls, the citizen picks the counter's number. That a question
// ends after five minutes, and that silence has one face, is shown in Go.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, test } from 'node:test'
import * as oidc from 'openid-client'
import { Phone } from './browser.mjs'
import { details, field, hint, machine, office } from './counter.mjs'
import { agency, app, bound, citizen, issuer, level1, refused, signedIn } from './world.mjs'

const organisation = 'mam-non-hoa-mai'
const who = citizen('thu')
let counter, hold, call

before(async () => {
  counter = await office(organisation, 'openid')
  hold = await bound(counter)
  call = await machine(counter)
})

// open asks for a fact as an organisation does; the request waits in the wallet.
async function open() {
  const { type, roles, ...body } = details(organisation)
  const { status, body: made } = await call('/v1/consent-requests', { ...body, parties: [{ roles, personal_number: who.personal_number }] })
  assert.equal(status, 201, JSON.stringify(made))
  return made.request_id
}

const named = (request) => JSON.stringify([{ type: 'vidan_procedure', request_id: request, organisation }])

const question = async (request, extra = {}) => ({
  scope: 'openid', binding_message: '57', authorization_details: named(request), login_hint_token: await hint(who, organisation), ...extra,
})

const once = (id, party = counter, key = hold) =>
  oidc.genericGrantRequest(party.config, 'urn:openid:params:grant-type:ciba', { auth_req_id: id }, key)

test('each poll tells how it stands, and nothing to anybody else; a no on the phone is a no', async () => {
  const request = await open()
  const asked = await oidc.initiateBackchannelAuthentication(counter.config, await question(request))
  assert.ok(asked.auth_req_id.length >= 22 && asked.expires_in <= 300 && asked.interval === 5)
  await refused(once(asked.auth_req_id), 'authorization_pending')
  await refused(once(asked.auth_req_id), 'slow_down')
  const stranger = await office('bhxh-hai-phong', 'openid')
  await refused(once(asked.auth_req_id, stranger, await bound(stranger)), 'invalid_grant')
  await refused(once(randomUUID()), 'invalid_grant')
  const phone = new Phone(issuer, who)
  const [shown] = (await phone.waiting()).filter((c) => c.kind === 'ciba')
  assert.equal(shown.organisation, organisation)
  assert.equal(shown.numbers.length, 3)
  await phone.answer('57', 'deny')
  await refused(once(asked.auth_req_id), 'access_denied')
})

test('number and facts: the library polls until the token is there, with what was granted', async () => {
  const wallet = await app()
  const mine = await bound(wallet)
  const { tokens: session } = await signedIn(wallet, mine, who, { acr_values: level1 })
  const request = await open()
  const asked = await oidc.initiateBackchannelAuthentication(counter.config, await question(request))
  const phone = new Phone(issuer, who)
  const shown = (await phone.waiting()).find((c) => c.kind === 'ciba')
  await phone.answer('57')
  await refused(once(asked.auth_req_id), 'authorization_pending')
  const decided = await oidc.fetchProtectedResource(wallet.config, session.access_token,
    new URL(`${issuer}/v1/people/me/consent-requests/${shown.request_id}/decision`), 'POST', JSON.stringify({ decision: 'allow', fields: [field] }),
    new Headers({ 'content-type': 'application/json' }), mine)
  assert.equal(decided.status, 200, await decided.clone().text())
  const tokens = await oidc.pollBackchannelAuthenticationGrant(counter.config, asked, undefined, hold)
  assert.equal(tokens.claims().acr, level1)
  assert.deepEqual(tokens.claims().amr, ['pop'])
  assert.deepEqual(tokens.authorization_details.map((d) => [d.type, d.request_id, d.state, d.fields]), [['vidan_procedure', request, 'granted', [field]]])
  await refused(once(asked.auth_req_id), 'invalid_grant')
})

test('a hint works once, and for the organisation that it names', async () => {
  const request = await open()
  const shown = await hint(who, organisation)
  const asked = await oidc.initiateBackchannelAuthentication(counter.config, await question(request, { login_hint_token: shown }))
  await refused(oidc.initiateBackchannelAuthentication(counter.config, await question(request, { login_hint_token: shown })), 'expired_login_hint_token')
  await refused(oidc.initiateBackchannelAuthentication(counter.config,
    await question(request, { login_hint_token: await hint(who, 'bhxh-hai-phong') })), 'unknown_user_id')
  await new Phone(issuer, who).answer('57', 'deny')
  await refused(once(asked.auth_req_id), 'access_denied')
})

test('every other request of the back channel is refused with its code', async () => {
  const request = await open()
  for (const [extra, code] of [
    [{ scope: 'wallet' }, 'invalid_scope'],
    [{ binding_message: 'Gọi ngay 0900 000 003' }, 'invalid_binding_message'],
    [{ binding_message: '7' }, 'invalid_binding_message'],
    [{ login_hint: who.personal_number }, 'invalid_request'],
    [{ login_hint_token: 'x.y.z' }, 'unknown_user_id'],
    [{ requested_expiry: '0' }, 'invalid_request'],
    [{ authorization_details: named(randomUUID()) }, 'invalid_authorization_details'],
    [{ authorization_details: JSON.stringify([details(organisation)]) }, 'invalid_authorization_details'],
  ]) {
    await refused(oidc.initiateBackchannelAuthentication(counter.config, await question(request, extra)), code)
  }
  const silent = await agency(organisation)
  await refused(oidc.initiateBackchannelAuthentication(silent.config, await question(request)), 'invalid_request')
})

test('the metadata say poll, and nothing that is not there', () => {
  const m = counter.config.serverMetadata()
  assert.equal(m.backchannel_authentication_endpoint, `${issuer}/oauth/bc-authorize`)
  assert.deepEqual(m.backchannel_token_delivery_modes_supported, ['poll'])
  assert.equal(m.backchannel_user_code_parameter_supported, false)
  assert.ok(m.grant_types_supported.includes('urn:openid:params:grant-type:ciba'))
  assert.equal(m.backchannel_authentication_request_signing_alg_values_supported, undefined)
})
