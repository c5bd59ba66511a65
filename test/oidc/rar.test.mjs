// Rich authorization requests (RFC 9396): a portal asks for facts with the sign-in, pushed; the person answers on a page without scripts; what was
// granted comes back beside the token, is narrowed by it, and opens the form.
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import * as oidc from 'openid-client'
import { Browser } from './browser.mjs'
import { details, field, machine, office } from './counter.mjs'
import { agency, ask, bound, citizen, issuer, level1, refused } from './world.mjs'

const organisation = 'mam-non-hoa-mai'
let portal, hold

before(async () => {
  portal = await office(organisation)
  hold = await bound(portal)
})

const text = (...list) => JSON.stringify(list)

// answered is a sign-in in which the person presses a button of the page on which they are asked.
async function answered(decision, extra) {
  const who = citizen('giai')
  const asked = await ask(portal, hold, { acr_values: level1, authorization_details: text(details(organisation, extra)) })
  const browser = new Browser(issuer)
  await browser.get(asked.url)
  await browser.submit({ personal_number: who.personal_number, passphrase: who.passphrase })
  assert.ok(browser.page.body.includes(who.full_name ?? 'NGÔ VĂN GIẢI'), `what would be given is not shown: ${browser.words()}`)
  assert.ok(!browser.page.body.includes('checked') && !browser.page.body.includes('<script'))
  const { left } = await browser.submit({ action: 'decide', field }, { decision })
  assert.ok(left, `still on ${browser.words()}`)
  return { ...asked, left }
}

const redeem = ({ left, checks }, parameters) => oidc.authorizationCodeGrant(portal.config, left, checks, parameters, hold)

test('what was allowed once comes back beside the token, by introspection and by refresh, and opens the form', async () => {
  const flow = await answered('allow')
  const tokens = await redeem(flow)
  const [granted] = tokens.authorization_details
  assert.equal(tokens.authorization_details.length, 1)
  assert.equal(granted.type, 'vidan_procedure')
  assert.equal(granted.state, 'granted')
  assert.deepEqual(granted.fields, [field])
  const told = await oidc.tokenIntrospection(portal.config, tokens.access_token)
  assert.deepEqual(told.authorization_details, [granted])
  const again = await oidc.refreshTokenGrant(portal.config, tokens.refresh_token, { authorization_details: text({ type: granted.type, fields: [field] }) }, hold)
  assert.deepEqual(again.authorization_details, [granted])
  await refused(oidc.refreshTokenGrant(portal.config, tokens.refresh_token,
    { authorization_details: text({ type: granted.type, fields: [field, 'applicant_residence'] }) }, hold), 'invalid_authorization_details')
  const call = await machine(portal)
  const status = await call(`/v1/consent-requests/${granted.request_id}?organisation=${organisation}`)
  assert.deepEqual([status.status, status.body.state], [200, 'complete'])
  const form = await call('/v1/prefill', { organisation, request_id: granted.request_id })
  assert.equal(form.status, 200, JSON.stringify(form.body))
  assert.equal(form.body.fields.find((f) => f.name === field).value, 'NGÔ VĂN GIẢI')
  const after = await oidc.tokenIntrospection(portal.config, tokens.access_token)
  assert.deepEqual([after.authorization_details[0].state, after.authorization_details[0].fields], ['ended', []], 'a permission for once is used up')
})

test('a no is access_denied, and later is an open request', async () => {
  const no = await answered('deny')
  assert.equal(no.left.searchParams.get('error'), 'access_denied')
  assert.equal(no.left.searchParams.get('code'), null)
  const tokens = await redeem(await answered('later'))
  assert.deepEqual([tokens.authorization_details[0].state, tokens.authorization_details[0].fields], ['open', []])
})

for (const [name, value] of Object.entries({
  'that are no JSON': '{',
  'of another type': text(details(organisation, { type: 'payment_initiation' })),
  'with an unknown member': text(details(organisation, { locations: ['https://x.example'] })),
  'without a dossier': text(details(organisation, { dossier_code: undefined })),
  'with a member of another kind': text(details(organisation, { roles: 'applicant' })),
  'with a field that the procedure does not use': text(details(organisation, { fields: ['blood_type'] })),
  'for another organisation': text(details('xa-dai-son')),
  'twice': text(details(organisation), details(organisation)),
})) {
  test(`details ${name} are refused at the push`, () => refused(ask(portal, hold, { authorization_details: value }), 'invalid_authorization_details'))
}

test('details without an officer, or of an agency without a mandate, are refused', async () => {
  const silent = { ...(await agency(organisation)), scope: 'openid' }
  await refused(ask(silent, await bound(silent), { authorization_details: text(details(organisation)) }), 'invalid_request')
  const other = await office('bhxh-hai-phong')
  await refused(ask(other, await bound(other), { authorization_details: text(details('bhxh-hai-phong')) }), 'invalid_authorization_details')
})

test('the metadata name the type', () => {
  assert.deepEqual(portal.config.serverMetadata().authorization_details_types_supported, ['vidan_procedure'])
})
