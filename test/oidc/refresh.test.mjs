// Refresh tokens: of an app bound to its key and replaced at each use, of an agency's client kept and worth nothing without its assertion
// (RFC 6749 §6, RFC 9449 §5, RFC 9700 §4.14.2, FAPI 2.0 Security Profile §5.3.2.1). That a used token may come again for ten seconds only is shown
// in Go (TestRefreshRetry): the clock of tokens is the real one.
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import * as oidc from 'openid-client'
import { assertion, jwtBearer, post, proof } from './messages.mjs'
import { agency, app, bound, call, challenged, citizen, level1, refused, signedIn } from './world.mjs'

const me = '/v1/people/me/documents'
let wallet, portal, other

before(async () => {
  wallet = { ...(await app()), scope: 'wallet offline_access' }
  portal = { ...(await agency('mam-non-hoa-mai')), scope: 'openid offline_access' }
  other = await agency('bhxh-hai-phong')
})

async function lasting(party) {
  const hold = await bound(party)
  const { tokens } = await signedIn(party, hold, citizen('dan'), { acr_values: level1 })
  assert.ok(tokens.refresh_token, 'no refresh token')
  return { hold, tokens, refresh: (token, hand = hold, parameters) => oidc.refreshTokenGrant(party.config, token, parameters, hand) }
}

const opens = async (hold, token) => assert.equal((await call(wallet, hold, token, me)).status, 200)

test('without offline_access there is none', async () => {
  const plain = { ...wallet, scope: 'wallet' }
  const { tokens } = await signedIn(plain, await bound(plain), citizen('dan'), { acr_values: level1 })
  assert.equal(tokens.refresh_token, undefined)
})

test('app: each use gives a successor, and both tokens say what the sign-in was', async () => {
  const { hold, tokens, refresh } = await lasting(wallet)
  let token = tokens.refresh_token
  for (let i = 0; i < 3; i++) {
    const next = await refresh(token)
    assert.ok(next.refresh_token && next.refresh_token !== token)
    assert.notEqual(next.access_token, tokens.access_token)
    assert.equal(next.scope, tokens.scope)
    await opens(hold, next.access_token)
    token = next.refresh_token
  }
})

test('app: the token is bound to the key of the sign-in, and a stranger does not use it up', async () => {
  const { tokens, refresh } = await lasting(wallet)
  await refused(refresh(tokens.refresh_token, await bound(wallet)), 'invalid_grant')
  assert.ok((await refresh(tokens.refresh_token)).access_token)
})

test('app: an answer that was lost is asked for again; the successor that nobody used is void and ends the sign-in', async () => {
  const { hold, tokens, refresh } = await lasting(wallet)
  const lost = await refresh(tokens.refresh_token)
  const again = await refresh(tokens.refresh_token)
  assert.notEqual(lost.refresh_token, again.refresh_token)
  await opens(hold, again.access_token)
  await refused(refresh(lost.refresh_token), 'invalid_grant')
  await refused(refresh(again.refresh_token), 'invalid_grant')
  await challenged(call(wallet, hold, again.access_token, me), 401, 'invalid_token')
})

test('app: a token from two uses ago is in two hands, and ends the sign-in', async () => {
  const { hold, tokens, refresh } = await lasting(wallet)
  const second = await refresh(tokens.refresh_token)
  const third = await refresh(second.refresh_token)
  await opens(hold, third.access_token)
  await refused(refresh(tokens.refresh_token), 'invalid_grant')
  await refused(refresh(third.refresh_token), 'invalid_grant')
  await challenged(call(wallet, hold, third.access_token, me), 401, 'invalid_token')
})

test('app: eight at once with one token leave at most one successor that works', async () => {
  const { refresh, tokens } = await lasting(wallet)
  const tries = await Promise.allSettled(Array.from({ length: 8 }, () => refresh(tokens.refresh_token)))
  const given = tries.filter((t) => t.status === 'fulfilled').map((t) => t.value.refresh_token)
  for (const t of tries) if (t.reason) assert.equal(t.reason.error, 'invalid_grant')
  assert.equal(new Set(given).size, given.length)
  let works = 0
  for (const token of given) works += await refresh(token).then(() => 1, () => 0)
  assert.ok(works <= 1, `${works} successors work`)
})

test('agency: the token stays, its use gives a fresh ID token of the same sign-in, and the key may change (RFC 9449 §5)', async () => {
  const { tokens, refresh } = await lasting(portal)
  const first = tokens.claims()
  for (const hand of [undefined, await bound(portal)]) {
    const next = await refresh(tokens.refresh_token, hand)
    assert.ok(next.refresh_token === undefined || next.refresh_token === tokens.refresh_token, 'it was rotated')
    const claims = next.claims()
    assert.equal(claims.sub, first.sub) // OpenID Connect Core §12.2
    assert.equal(claims.auth_time, first.auth_time)
    assert.equal(claims.aud, first.aud)
    assert.equal(claims.acr, first.acr)
  }
})

test('agency: nothing without the assertion of the client it was issued to', async () => {
  const { hold, tokens, refresh } = await lasting(portal)
  await refused(oidc.refreshTokenGrant(other.config, tokens.refresh_token, undefined, await bound(other)), 'invalid_grant')
  const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token, client_id: portal.id })
  assert.equal((await post('/oauth/token', form, await proof(hold.pair, 'POST', '/oauth/token'))).error, 'invalid_client')
  form.set('client_assertion_type', jwtBearer)
  form.set('client_assertion', await assertion({ ...portal, key: other.key }))
  assert.equal((await post('/oauth/token', form, await proof(hold.pair, 'POST', '/oauth/token'))).error, 'invalid_client')
  assert.ok((await refresh(tokens.refresh_token)).access_token)
})

test('nothing without a proof', async () => {
  const { tokens, refresh } = await lasting(wallet)
  const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token, client_id: wallet.id })
  assert.equal((await post('/oauth/token', form)).error, 'invalid_dpop_proof')
  assert.ok((await refresh(tokens.refresh_token)).access_token)
})

test('scopes only narrow', async () => {
  const { tokens, refresh } = await lasting(wallet)
  await refused(refresh(tokens.refresh_token, undefined, { scope: 'wallet openid' }), 'invalid_scope')
  await refused(refresh(tokens.refresh_token, undefined, { scope: 'registrar' }), 'invalid_scope')
  assert.equal((await refresh(tokens.refresh_token, undefined, { scope: 'wallet' })).scope, 'wallet')
})

test('what is no refresh token of ours', async () => {
  const { tokens, refresh } = await lasting(wallet)
  for (const token of ['x', tokens.access_token, tokens.refresh_token.slice(0, -1), `${tokens.refresh_token}x`]) {
    await refused(refresh(token), 'invalid_grant')
  }
  assert.ok((await refresh(tokens.refresh_token)).access_token)
})
