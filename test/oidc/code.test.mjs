// People sign in: authorization code + PKCE + private_key_jwt + DPoP, the pages driven as a person without scripts would, and everything that
// comes back validated by the client library (RFC 6749 §4.1, RFC 7636, RFC 9207, RFC 9449 §10, OpenID Connect Core §3.1).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as oauth from 'oauth4webapi'
import * as oidc from 'openid-client'
import { Browser } from './browser.mjs'
import { agency, app, ask, authorized, bound, call, challenged, citizen, fails, issuer, level1, level2, refused, signedIn } from './world.mjs'

const me = '/v1/people/me/documents'

for (const [organisation, who] of [['bhxh-hai-phong', 'thi'], ['mam-non-hoa-mai', 'hoa']]) {
  test(`the portal of ${organisation} signs ${who} in; the library believes the ID token`, async () => {
    const portal = await agency(organisation)
    const hold = await bound(portal)
    const before = Math.floor(Date.now() / 1000)
    const { tokens, sent, answer } = await signedIn(portal, hold, citizen(who))
    assert.equal(answer.searchParams.get('iss'), issuer) // the library has refused any other (RFC 9207 §2.4)
    assert.equal(answer.searchParams.get('state'), sent.state)
    assert.equal(answer.hash, '')
    const claims = tokens.claims()
    assert.equal(claims.iss, issuer)
    assert.equal(claims.aud, portal.id)
    assert.equal(claims.nonce, sent.nonce)
    assert.equal(claims.acr, level2)
    assert.ok(claims.auth_time >= before - 1 && claims.auth_time <= claims.iat)
    assert.ok(claims.amr.includes('pwd') && claims.amr.length > 1)
    assert.ok(!JSON.stringify(claims).includes(citizen(who).personal_number), 'the personal number left the house')
    assert.equal(tokens.token_type, 'dpop')
    assert.ok(tokens.expires_in <= 600)
  })
}

test('passphrase alone gives level 1, and the token says so', async () => {
  const portal = await agency('mam-non-hoa-mai')
  const hold = await bound(portal)
  const { tokens } = await signedIn(portal, hold, citizen('hoa'), { acr_values: level1 })
  assert.equal(tokens.claims().acr, level1)
  assert.deepEqual(tokens.claims().amr, ['pwd'])
})

test('subjects are pairwise: one person, the same to one portal and another to the next', async () => {
  const kindergarten = await agency('mam-non-hoa-mai')
  const insurance = await agency('bhxh-hai-phong')
  const sub = async (party) => (await signedIn(party, await bound(party), citizen('hoa'), { acr_values: level1 })).tokens.claims().sub
  const [first, again, other] = [await sub(kindergarten), await sub(kindergarten), await sub(insurance)]
  assert.equal(first, again)
  assert.notEqual(first, other)
})

test('the app: a public client, bound to its key, reads the person’s papers', async () => {
  const wallet = await app()
  const hold = await bound(wallet)
  const { tokens } = await signedIn(wallet, hold, citizen('du'))
  const answer = await call(wallet, hold, tokens.access_token, me)
  assert.equal(answer.status, 200)
  assert.ok((await answer.json()).items.length > 0)
  await challenged(call(wallet, await bound(wallet), tokens.access_token, me), 401, 'invalid_dpop_proof') // another key
})

test('a person who goes back is told to the client as access_denied, with iss and state', async () => {
  const portal = await agency('mam-non-hoa-mai')
  const hold = await bound(portal)
  const { url, checks } = await ask(portal, hold)
  const browser = new Browser(issuer)
  await browser.get(url)
  const { left } = await browser.submit({ action: 'cancel' })
  assert.equal(left.searchParams.get('iss'), issuer)
  const error = await fails(oidc.authorizationCodeGrant(portal.config, left, checks, undefined, hold))
  assert.equal(error.error, 'access_denied')
})

test('an answer with another iss is not believed, whatever else is right', async () => {
  const portal = await agency('mam-non-hoa-mai')
  const hold = await bound(portal)
  const { answer, checks } = await authorized(portal, hold, citizen('hoa'), { acr_values: level1 })
  const mixed = new URL(answer)
  mixed.searchParams.set('iss', 'https://evil.example')
  assert.equal((await fails(oidc.authorizationCodeGrant(portal.config, mixed, checks, undefined, hold))).code, oauth.INVALID_RESPONSE)
  const without = new URL(answer)
  without.searchParams.delete('iss')
  assert.equal((await fails(oidc.authorizationCodeGrant(portal.config, without, checks, undefined, hold))).code, oauth.INVALID_RESPONSE)
  const tokens = await oidc.authorizationCodeGrant(portal.config, answer, checks, undefined, hold) // the twin: the code was never spent
  assert.ok(tokens.id_token)
})

// Each row spoils one thing between the answer and the token request; the last line of each redeems the same code rightly.
for (const [name, spoil, code] of [
  ['another PKCE verifier', () => ({ checks: { pkceCodeVerifier: oidc.randomPKCECodeVerifier() } }), 'invalid_grant'],
  ['no PKCE verifier', () => ({ checks: { pkceCodeVerifier: undefined } }), 'invalid_request'],
  ['the challenge as verifier', ({ sent }) => ({ checks: { pkceCodeVerifier: sent.code_challenge } }), 'invalid_grant'],
  ['another redirect address', () => ({ redirect: 'http://127.0.0.1:7792/callback/' }), 'invalid_grant'],
  ['another key for the proof', async ({ portal }) => ({ hold: await bound(portal) }), 'invalid_grant'],
  ['another client', async () => ({ party: await agency('bhxh-hai-phong') }), 'invalid_grant'],
]) {
  test(`a code with ${name} is refused, and still good for its owner`, async () => {
    const portal = await agency('mam-non-hoa-mai')
    const hold = await bound(portal)
    const { answer, sent, checks } = await authorized(portal, hold, citizen('hoa'), { acr_values: level1 })
    const bad = { party: portal, hold, redirect: undefined, ...(await spoil({ portal, sent })) }
    const redirected = new URL(answer)
    if (bad.redirect) {
      const spoilt = new URL(bad.redirect)
      spoilt.search = redirected.search
      redirected.href = spoilt.href
    }
    await refused(oidc.authorizationCodeGrant(bad.party.config, redirected, { ...checks, ...bad.checks }, undefined, bad.hold), code)
    const tokens = await oidc.authorizationCodeGrant(portal.config, answer, checks, undefined, hold)
    assert.ok(tokens.id_token)
  })
}

test('a code works once; the second use ends the session of the first', async () => {
  const wallet = await app()
  const hold = await bound(wallet)
  const { answer, checks } = await authorized(wallet, hold, citizen('du'), { acr_values: level1 })
  const tokens = await oidc.authorizationCodeGrant(wallet.config, answer, checks, undefined, hold)
  assert.equal((await call(wallet, hold, tokens.access_token, me)).status, 200)
  await refused(oidc.authorizationCodeGrant(wallet.config, answer, checks, undefined, hold), 'invalid_grant')
  await challenged(call(wallet, hold, tokens.access_token, me), 401, 'invalid_token')
})

test('of eight at once with one code, one wins, and what it won is void', async () => {
  const wallet = await app()
  const hold = await bound(wallet)
  const { answer, checks } = await authorized(wallet, hold, citizen('du'), { acr_values: level1 })
  const tries = await Promise.allSettled(Array.from({ length: 8 }, () => oidc.authorizationCodeGrant(wallet.config, answer, checks, undefined, hold)))
  const won = tries.filter((t) => t.status === 'fulfilled')
  assert.equal(won.length, 1, JSON.stringify(tries.map((t) => t.reason?.error ?? t.status)))
  for (const t of tries) if (t.reason) assert.equal(t.reason.error, 'invalid_grant')
  await challenged(call(wallet, hold, won[0].value.access_token, me), 401, 'invalid_token')
  const { tokens } = await signedIn(wallet, hold, citizen('du'), { acr_values: level1 }) // the twin: the person signs in again
  assert.equal((await call(wallet, hold, tokens.access_token, me)).status, 200)
})

test('a code that was never issued is refused like one that is spent', async () => {
  const wallet = await app()
  const hold = await bound(wallet)
  const { answer, checks } = await authorized(wallet, hold, citizen('du'), { acr_values: level1 })
  const guessed = new URL(answer)
  guessed.searchParams.set('code', oidc.randomNonce())
  await refused(oidc.authorizationCodeGrant(wallet.config, guessed, checks, undefined, hold), 'invalid_grant')
  assert.ok((await oidc.authorizationCodeGrant(wallet.config, answer, checks, undefined, hold)).access_token)
})
