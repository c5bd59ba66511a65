// Nonces of the server in proofs (RFC 9449 §8, §9): the client libraries carry them by themselves and repeat a request that is asked for one. A
// clock that is wrong is then no reason why a client cannot work.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as oauth from 'oauth4webapi'
import * as oidc from 'openid-client'
import { credentials, post, proof } from './messages.mjs'
import { agency, app, bound, call, citizen, issuer, level1, signedIn } from './world.mjs'

const organisation = 'xa-dai-son'
const events = `/v1/events?organisation=${organisation}`

// late is a maker of proofs whose clock is ten minutes behind; it notes the nonces that it used.
async function late(party) {
  const nonces = []
  const hold = await bound(party, {
    [oidc.modifyAssertion]: (_, payload) => {
      payload.iat -= 600
      nonces.push(payload.nonce)
    },
  })
  return { ...hold, nonces }
}

test('every answer of the token endpoint offers a nonce, a refusal too', async () => {
  const commune = await agency(organisation)
  const hold = await bound(commune)
  const answer = await post('/oauth/token', await credentials(commune, 'events'), await proof(hold.pair, 'POST', '/oauth/token'))
  assert.equal(answer.status, 200)
  const offered = answer.headers.get('dpop-nonce')
  assert.match(offered, /^[\x21\x23-\x5b\x5d-\x7e]{16,}$/) // RFC 9449 §8.1
  const refused = await post('/oauth/token', new URLSearchParams({ grant_type: 'x' }))
  assert.ok(refused.headers.get('dpop-nonce'))
})

test('openid-client repeats a token request that is asked for a nonce, once, and gets its token', async () => {
  const commune = await agency(organisation)
  const hold = await late(commune)
  const { access_token: token } = await oidc.clientCredentialsGrant(commune.config, { scope: 'events' }, hold)
  assert.deepEqual([hold.nonces.length, hold.nonces[0]], [2, undefined])
  assert.ok(hold.nonces[1])
  assert.equal((await call(commune, hold, token, events)).status, 200)
})

test('a resource asks for a nonce in its challenge, and the library answers it', async () => {
  const commune = await agency(organisation)
  const punctual = await bound(commune)
  const { access_token: token } = await oidc.clientCredentialsGrant(commune.config, { scope: 'events' }, punctual)
  const hold = await bound(commune)
  const slow = oidc.getDPoPHandle(commune.config, punctual.pair, { [oidc.modifyAssertion]: (_, payload) => { payload.iat -= 600 } })
  const answer = await call(commune, { ...hold, DPoP: slow }, token, events)
  assert.equal(answer.status, 200)
})

test('with the lower library the client sees use_dpop_nonce and decides by itself', async () => {
  const commune = await agency(organisation)
  const as = commune.config.serverMetadata()
  const client = { client_id: commune.id }
  const hold = await late(commune)
  const auth = oauth.PrivateKeyJwt({ key: commune.key, kid: commune.jwk.kid })
  const request = async () => oauth.processClientCredentialsResponse(as, client,
    await oauth.clientCredentialsGrantRequest(as, client, auth, { scope: 'events' }, { DPoP: hold.DPoP, [oauth.allowInsecureRequests]: true }))
  const told = await request().then(() => undefined, (error) => error)
  assert.ok(oauth.isDPoPNonceError(told), String(told))
  assert.ok((await request()).access_token)
})

test('a whole sign-in by a phone whose clock is ten minutes behind', async () => {
  const wallet = await app()
  const hold = await late(wallet)
  const { tokens } = await signedIn(wallet, hold, citizen('le'), { acr_values: level1 })
  assert.equal((await call(wallet, hold, tokens.access_token, '/v1/people/me/documents')).status, 200)
})

test('a nonce is no key: with one of the server’s, a proof still works once', async () => {
  const commune = await agency(organisation)
  const hold = await bound(commune)
  const nonce = (await post('/oauth/token', new URLSearchParams())).headers.get('dpop-nonce')
  const once = await proof(hold.pair, 'POST', '/oauth/token', { nonce })
  assert.equal((await post('/oauth/token', await credentials(commune, 'events'), once)).status, 200)
  assert.equal((await post('/oauth/token', await credentials(commune, 'events'), once)).error, 'invalid_dpop_proof')
  assert.equal(issuer, commune.config.serverMetadata().issuer)
})
