// An agency's program: client_credentials with private_key_jwt and DPoP, then a route of the API (RFC 6749 §4.4, RFC 7523, RFC 9449, RFC 9068).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import * as oauth from 'oauth4webapi'
import * as oidc from 'openid-client'
import { agency, api, app, bound, call, challenged, issuer, refused } from './world.mjs'

const events = '/v1/events?organisation=xa-dai-son'

test('client_credentials gives a DPoP token that opens a route of the agency', async () => {
  const commune = await agency('xa-dai-son')
  const hold = await bound(commune)
  const tokens = await oidc.clientCredentialsGrant(commune.config, { scope: 'events' }, hold)
  assert.equal(tokens.token_type, 'dpop')
  assert.ok(tokens.expires_in > 0 && tokens.expires_in <= 600)
  assert.equal(tokens.scope, 'events')
  assert.equal(tokens.refresh_token, undefined) // RFC 6749 §4.4.3
  assert.equal(tokens.id_token, undefined)
  const answer = await call(commune, hold, tokens.access_token, events)
  assert.equal(answer.status, 200)
  assert.ok(Array.isArray((await answer.json()).events))
})

test('the same with the lower library, and with each algorithm for the proof', async () => {
  const commune = await agency('xa-dai-son')
  const as = commune.config.serverMetadata()
  const client = { client_id: commune.id }
  const insecure = { [oauth.allowInsecureRequests]: true }
  for (const alg of as.dpop_signing_alg_values_supported) {
    const pair = await oauth.generateKeyPair(alg === 'EdDSA' ? 'Ed25519' : alg)
    // Node's name of the algorithm is the newer one of RFC 9864; the header carries what the server says it reads.
    const DPoP = oauth.DPoP(client, pair, { [oauth.modifyAssertion]: (header) => { header.alg = alg } })
    const auth = oauth.PrivateKeyJwt({ key: commune.key, kid: commune.jwk.kid })
    const request = () => oauth.clientCredentialsGrantRequest(as, client, auth, { scope: 'events' }, { DPoP, ...insecure })
    const tokens = await oauth.processClientCredentialsResponse(as, client, await request())
    const answer = await oauth.protectedResourceRequest(tokens.access_token, 'GET', new URL(issuer + events), undefined, undefined, { DPoP, ...insecure })
    assert.equal(answer.status, 200, alg)
  }
})

test('the access token is what RFC 9068 says, and a resource server can verify it by the published keys', async () => {
  const commune = await agency('xa-dai-son')
  const hold = await bound(commune)
  const { access_token: token } = await oidc.clientCredentialsGrant(commune.config, { scope: 'events' }, hold)
  const keys = createRemoteJWKSet(new URL(commune.config.serverMetadata().jwks_uri))
  const { payload } = await jwtVerify(token, keys, { issuer, audience: api, typ: 'at+jwt', requiredClaims: ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'] })
  assert.equal(payload.client_id, commune.id)
  assert.equal(payload.sub, commune.id)
  assert.equal(payload.scope, 'events')
  assert.equal(payload.cnf.jkt, await hold.DPoP.calculateThumbprint())
  assert.ok(payload.exp - payload.iat <= 600)

  const url = new URL(api + '/events')
  const headers = new Headers()
  await hold.DPoP.addProof(url, headers, 'GET', token)
  headers.set('authorization', `DPoP ${token}`)
  const claims = await oauth.validateJwtAccessToken(commune.config.serverMetadata(), new Request(url, { headers }), api,
    { requireDPoP: true, [oauth.allowInsecureRequests]: true })
  assert.equal(claims.sub, commune.id)
})

test('two tokens differ, though nothing else does', async () => {
  const commune = await agency('xa-dai-son')
  const hold = await bound(commune)
  const one = await oidc.clientCredentialsGrant(commune.config, { scope: 'events' }, hold)
  const two = await oidc.clientCredentialsGrant(commune.config, { scope: 'events' }, hold)
  assert.notEqual(one.access_token, two.access_token)
})

test('an assertion may say that it is one in its typ', async () => {
  const commune = await agency('xa-dai-son')
  const typed = await oidc.discovery(new URL(issuer), commune.id, undefined,
    oidc.PrivateKeyJwt({ key: commune.key, kid: commune.jwk.kid }, { [oidc.modifyAssertion]: (header) => { header.typ = 'client-authentication+jwt' } }),
    { execute: [oidc.allowInsecureRequests] })
  assert.ok((await oidc.clientCredentialsGrant(typed, { scope: 'events' }, await bound(commune))).access_token)
})

test('scopes: one that is not the client’s, one of people, none at all', async () => {
  const commune = await agency('xa-dai-son')
  const hold = await bound(commune)
  for (const scope of ['registrar', 'openid', 'wallet', 'events everything', '']) {
    await refused(oidc.clientCredentialsGrant(commune.config, { scope }, hold), 'invalid_scope')
  }
  assert.equal((await oidc.clientCredentialsGrant(commune.config, { scope: 'events results' }, hold)).scope, 'events results')
})

test('a token opens only what its scope names', async () => {
  const commune = await agency('xa-dai-son')
  const hold = await bound(commune)
  const results = await oidc.clientCredentialsGrant(commune.config, { scope: 'results' }, hold)
  await challenged(call(commune, hold, results.access_token, events), 403, 'insufficient_scope')
  const right = await oidc.clientCredentialsGrant(commune.config, { scope: 'events' }, hold)
  assert.equal((await call(commune, hold, right.access_token, events)).status, 200)
})

test('the app is no machine, and a password is no grant', async () => {
  const wallet = await app()
  await refused(oidc.clientCredentialsGrant(wallet.config, { scope: 'events' }, await bound(wallet)), 'unauthorized_client')
  const commune = await agency('xa-dai-son')
  await refused(oidc.genericGrantRequest(commune.config, 'password', { username: 'x', password: 'x' }, await bound(commune)), 'unsupported_grant_type')
})

test('the token is signed by a key whose algorithm FAPI 2.0 allows', async () => {
  const commune = await agency('xa-dai-son')
  const { access_token: token } = await oidc.clientCredentialsGrant(commune.config, { scope: 'events' }, await bound(commune))
  assert.equal(decodeProtectedHeader(token).alg, 'ES256')
})
