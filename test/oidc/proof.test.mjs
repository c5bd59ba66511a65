// Proofs of possession that must not work: missing, foreign, stale, replayed (RFC 9449 §4.3, §7.1). Every row has its accepted twin.
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { UnsecuredJWT } from 'jose'
import * as oidc from 'openid-client'
import { credentials, keyed, now, post, proof, publicJWK, tokenHash, unsigned } from './messages.mjs'
import { agency, bound, issuer } from './world.mjs'

const organisation = 'cong-an-cu-tru'
const events = `/v1/events?organisation=${organisation}`
const pathToken = '/oauth/token'
let police, hold, other, token, foreignToken

before(async () => {
  police = await agency(organisation)
  hold = await bound(police)
  other = await bound(police)
  token = (await oidc.clientCredentialsGrant(police.config, { scope: 'events' }, hold)).access_token
  foreignToken = (await oidc.clientCredentialsGrant(police.config, { scope: 'events' }, other)).access_token
})

// nonce is one that the server gives out now.
const nonce = async () => (await post(pathToken, new URLSearchParams())).headers.get('dpop-nonce')

const claims = (htm, path, more = {}) => ({ jti: crypto.randomUUID(), htm, htu: issuer + path, iat: now(), ...more })

// spoilt are the ways in which a proof for (method, path, token hash) can be wrong. Each returns the DPoP headers of one request.
const spoilt = {
  'is missing': () => [],
  'is empty': () => [''],
  'comes twice': async (m, p, ath) => [await proof(hold.pair, m, p, { ath }), await proof(hold.pair, m, p, { ath })],
  'is for another method': async (m, p, ath) => [await proof(hold.pair, m === 'POST' ? 'GET' : 'POST', p, { ath })],
  'is for another path': async (m, p, ath) => [await proof(hold.pair, m, `${p}x`, { ath })],
  'is for another host': async (m, p, ath) => [await proof(hold.pair, m, p, { ath, htu: `https://evil.example${p}` })],
  'is for another port': async (m, p, ath) => [await proof(hold.pair, m, p, { ath, htu: issuer.replace(/:\d+$/, ':1') + p })],
  'is two days old, with a nonce of now': async (m, p, ath) => [await proof(hold.pair, m, p, { ath, iat: now() - 2 * 86400, nonce: await nonce() })],
  'is from two minutes on': async (m, p, ath) => [await proof(hold.pair, m, p, { ath, iat: now() + 121 })],
  'has no iat': async (m, p, ath) => [await proof(hold.pair, m, p, { ath, iat: undefined })],
  'has no jti': async (m, p, ath) => [await proof(hold.pair, m, p, { ath, jti: undefined })],
  'has no htm': async (m, p, ath) => [await proof(hold.pair, m, p, { ath, htm: undefined })],
  'has no htu': async (m, p, ath) => [await proof(hold.pair, m, p, { ath, htu: undefined })],
  'has another typ': async (m, p, ath) => [await proof(hold.pair, m, p, { ath }, { typ: 'JWT' })],
  'has no key': async (m, p, ath) => [await proof(hold.pair, m, p, { ath }, { jwk: undefined })],
  'is signed by another key than it shows': async (m, p, ath) => [await proof(hold.pair, m, p, { ath }, { jwk: await publicJWK(other.pair) })],
  'shows a private key': async (m, p, ath) => [await proof(hold.pair, m, p, { ath }, { jwk: { ...police.jwk } })],
  'is not signed': async (m, p, ath) => [unsigned({ typ: 'dpop+jwt', jwk: await publicJWK(hold.pair) }, claims(m, p, { ath }))],
  'is an unsecured token': async (m, p, ath) => [new UnsecuredJWT(claims(m, p, { ath })).encode()],
  'uses its public key as a secret': async (m, p, ath) => {
    const jwk = await publicJWK(hold.pair)
    return [await keyed({ typ: 'dpop+jwt', jwk }, claims(m, p, { ath }), JSON.stringify(jwk))]
  },
  'shows a secret as its key': async (m, p, ath) => {
    const jwk = { kty: 'oct', k: Buffer.from('secret of nobody, long enough for HS256').toString('base64url') }
    return [await keyed({ typ: 'dpop+jwt', jwk }, claims(m, p, { ath }), 'secret of nobody, long enough for HS256')]
  },
  'was altered after it was signed': async (m, p, ath) => {
    const made = (await proof(hold.pair, m, p, { ath })).split('.')
    made[1] = Buffer.from(JSON.stringify(claims(m, p, { ath }))).toString('base64url')
    return [made.join('.')]
  },
}

// stale are proofs in which nothing is wrong but their time: the answer says how to make a fresh one (RFC 9449 §8).
const stale = {
  'is two minutes old': async (m, p, ath) => [await proof(hold.pair, m, p, { ath, iat: now() - 121 })],
  'has expired by its own word': async (m, p, ath) => [await proof(hold.pair, m, p, { ath, iat: now() - 30, exp: now() - 1 })],
  'has a nonce that nobody gave out': async (m, p, ath) => [await proof(hold.pair, m, p, { ath, nonce: 'AAAAAAAAAAAAAAAAAAAAAA' })],
}

for (const [name, make] of Object.entries(spoilt)) {
  test(`token endpoint: a proof that ${name} is refused, the honest one is not`, async () => {
    const answer = await post(pathToken, await credentials(police, 'events'), ...(await make('POST', pathToken)))
    assert.deepEqual([answer.status, answer.error], [400, 'invalid_dpop_proof'], JSON.stringify(answer.body))
    const twin = await post(pathToken, await credentials(police, 'events'), await proof(hold.pair, 'POST', pathToken))
    assert.equal(twin.status, 200, JSON.stringify(twin.body))
  })
}

for (const [name, make] of Object.entries(stale)) {
  test(`token endpoint: a proof that ${name} is answered with a nonce, and one made with that is taken`, async () => {
    const form = await credentials(police, 'events')
    const answer = await post(pathToken, form, ...(await make('POST', pathToken)))
    assert.deepEqual([answer.status, answer.error], [400, 'use_dpop_nonce'], JSON.stringify(answer.body))
    const fresh = await proof(hold.pair, 'POST', pathToken, { nonce: answer.headers.get('dpop-nonce') })
    const twin = await post(pathToken, form, fresh) // the assertion was not used up
    assert.equal(twin.status, 200, JSON.stringify(twin.body))
  })
}

async function get(bearer, ...proofs) {
  const headers = new Headers({ authorization: bearer })
  for (const p of proofs) headers.append('dpop', p)
  const answer = await fetch(issuer + events, { headers })
  await answer.text()
  return { status: answer.status, challenge: answer.headers.get('www-authenticate') ?? '', nonce: answer.headers.get('dpop-nonce') }
}

const bare = events.split('?')[0]
const honest = () => proof(hold.pair, 'GET', bare, { ath: tokenHash(token) })

const atResource = {
  ...spoilt,
  'has no ath': async () => [await proof(hold.pair, 'GET', bare)],
  'has the ath of another token': async () => [await proof(hold.pair, 'GET', bare, { ath: tokenHash(foreignToken) })],
  'is made by another key': async () => [await proof(other.pair, 'GET', bare, { ath: tokenHash(token) })],
  'is one for the token endpoint': async () => [await proof(hold.pair, 'POST', pathToken)],
}

for (const [name, make] of Object.entries(atResource)) {
  test(`resource: a proof that ${name} is refused, the honest one is not`, async () => {
    const answer = await get(`DPoP ${token}`, ...(await make('GET', bare, tokenHash(token))))
    assert.equal(answer.status, 401)
    assert.match(answer.challenge, /^DPoP .*error="invalid_dpop_proof"/)
    assert.match(answer.challenge, /algs="[^"]*ES256/)
    assert.equal((await get(`DPoP ${token}`, await honest())).status, 200)
  })
}

for (const [name, make] of Object.entries(stale)) {
  test(`resource: a proof that ${name} is answered with a nonce, and one made with that is taken`, async () => {
    const answer = await get(`DPoP ${token}`, ...(await make('GET', bare, tokenHash(token))))
    assert.equal(answer.status, 401)
    assert.match(answer.challenge, /^DPoP .*error="use_dpop_nonce"/)
    assert.equal((await get(`DPoP ${token}`, await proof(hold.pair, 'GET', bare, { ath: tokenHash(token), nonce: answer.nonce }))).status, 200)
  })
}

test('resource: a proof works once, at once or later, and eight at once have one winner', async () => {
  const once = await honest()
  assert.equal((await get(`DPoP ${token}`, once)).status, 200)
  assert.deepEqual([(await get(`DPoP ${token}`, once)).status], [401])
  const raced = await honest()
  const answers = await Promise.all(Array.from({ length: 8 }, () => get(`DPoP ${token}`, raced)))
  assert.equal(answers.filter((a) => a.status === 200).length, 1)
  assert.equal(answers.filter((a) => a.status === 401).length, 7)
})

test('a clock that is ahead: ten seconds are accepted, more than sixty are not, nonce or no nonce', async () => {
  const ahead = async (seconds, more) => get(`DPoP ${token}`, await proof(hold.pair, 'GET', bare, { ath: tokenHash(token), iat: now() + seconds, ...more }))
  assert.equal((await ahead(9)).status, 200)
  assert.equal((await ahead(70)).status, 401)
  assert.equal((await ahead(70, { nonce: await nonce() })).status, 401)
})

test('token endpoint: a proof works once, and its second use spends nothing else', async () => {
  const once = await proof(hold.pair, 'POST', pathToken)
  assert.equal((await post(pathToken, await credentials(police, 'events'), once)).status, 200)
  const form = await credentials(police, 'events')
  assert.equal((await post(pathToken, form, once)).error, 'invalid_dpop_proof')
  assert.equal((await post(pathToken, form, await proof(hold.pair, 'POST', pathToken))).status, 200) // the same assertion, still new
})

test('a proof at one endpoint is spent at the other as well only by its jti', async () => {
  const jti = crypto.randomUUID()
  assert.equal((await post(pathToken, await credentials(police, 'events'), await proof(hold.pair, 'POST', pathToken, { jti }))).status, 200)
  assert.equal((await get(`DPoP ${token}`, await proof(hold.pair, 'GET', bare, { jti, ath: tokenHash(token) }))).status, 401)
  assert.equal((await get(`DPoP ${token}`, await honest())).status, 200)
})

test('a token bound to a key is no bearer token (RFC 9449 §7.2)', async () => {
  for (const bearer of [`Bearer ${token}`, token, 'DPoP', `DPoP ${token}x`, `DPoP ${token.slice(0, -2)}`, '']) {
    assert.equal((await get(bearer, await honest())).status, 401, bearer.slice(0, 8))
  }
  assert.equal((await get(`dpop ${token}`, await honest())).status, 200) // schemes are compared without case (RFC 9110 §11.1)
})

test('a token in the query is none, and one whose signature is taken off neither', async () => {
  const made = await proof(hold.pair, 'GET', bare, { ath: tokenHash(token) })
  const inQuery = await fetch(`${issuer}${events}&access_token=${token}`, { headers: { dpop: made } })
  assert.equal(inQuery.status, 401)
  const [, body] = token.split('.')
  const none = `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${body}.`
  assert.equal((await get(`DPoP ${none}`, await proof(hold.pair, 'GET', bare, { ath: tokenHash(none) }))).status, 401)
  assert.equal((await get(`DPoP ${token}`, await honest())).status, 200)
})

test('an access token made by hand: HMAC with the published key, or the agency’s own key', async () => {
  const { keys } = await (await fetch(police.config.serverMetadata().jwks_uri)).json()
  const payload = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'))
  const { SignJWT } = await import('jose')
  for (const key of keys) {
    const header = { typ: 'at+jwt', kid: key.kid }
    const confused = await keyed(header, payload, JSON.stringify(key))
    const own = await new SignJWT(payload).setProtectedHeader({ ...header, alg: 'ES256' }).sign(police.key)
    for (const forged of [confused, own]) {
      assert.equal((await get(`DPoP ${forged}`, await proof(hold.pair, 'GET', bare, { ath: tokenHash(forged) }))).status, 401)
    }
  }
  assert.equal((await get(`DPoP ${token}`, await honest())).status, 200)
})
