// Revocation (RFC 7009): what a client gives back is over at the next request, everywhere.
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import * as oidc from 'openid-client'
import { post } from './messages.mjs'
import { agency, app, bound, call, challenged, citizen, fails, level1, refused, signedIn } from './world.mjs'

const me = '/v1/people/me/documents'
const events = '/v1/events?organisation=cong-an-cu-tru'
let wallet, police, other

before(async () => {
  wallet = { ...(await app()), scope: 'wallet offline_access' }
  police = await agency('cong-an-cu-tru')
  other = await agency('mam-non-hoa-mai')
})

async function lasting() {
  const hold = await bound(wallet)
  const { tokens } = await signedIn(wallet, hold, citizen('thu'), { acr_values: level1 })
  assert.equal((await call(wallet, hold, tokens.access_token, me)).status, 200)
  return { hold, tokens }
}

for (const kind of ['refresh_token', 'access_token']) {
  test(`the ${kind} of a sign-in ends it: neither token works any more`, async () => {
    const { hold, tokens } = await lasting()
    await oidc.tokenRevocation(wallet.config, tokens[kind], { token_type_hint: kind })
    await challenged(call(wallet, hold, tokens.access_token, me), 401, 'invalid_token')
    await refused(oidc.refreshTokenGrant(wallet.config, tokens.refresh_token, undefined, hold), 'invalid_grant')
  })
}

test('a machine’s access token ends alone', async () => {
  const hold = await bound(police)
  const one = await oidc.clientCredentialsGrant(police.config, { scope: 'events' }, hold)
  const two = await oidc.clientCredentialsGrant(police.config, { scope: 'events' }, hold)
  assert.equal((await call(police, hold, one.access_token, events)).status, 200)
  await oidc.tokenRevocation(police.config, one.access_token)
  await challenged(call(police, hold, one.access_token, events), 401, 'invalid_token')
  assert.equal((await call(police, hold, two.access_token, events)).status, 200)
})

test('what is no token, or none any more, is done already (§2.2)', async () => {
  const hold = await bound(police)
  const { access_token: token } = await oidc.clientCredentialsGrant(police.config, { scope: 'events' }, hold)
  await oidc.tokenRevocation(police.config, 'x')
  await oidc.tokenRevocation(police.config, token)
  await oidc.tokenRevocation(police.config, token)
  await oidc.tokenRevocation(police.config, token, { token_type_hint: 'nothing known' })
})

test('nobody ends what another was given', async () => {
  const hold = await bound(police)
  const { access_token: token } = await oidc.clientCredentialsGrant(police.config, { scope: 'events' }, hold)
  assert.ok((await fails(oidc.tokenRevocation(other.config, token))).error)
  const { hold: phone, tokens } = await lasting()
  assert.ok((await fails(oidc.tokenRevocation(other.config, tokens.refresh_token))).error)
  assert.equal((await post('/oauth/revoke', new URLSearchParams({ token, client_id: police.id }))).error, 'invalid_client')
  assert.equal((await call(police, hold, token, events)).status, 200)
  assert.equal((await call(wallet, phone, tokens.access_token, me)).status, 200)
})
