// What the server says of itself (RFC 8414, OpenID Connect Discovery 1.0), read and believed by the clients before anything else.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as oauth from 'oauth4webapi'
import { agency, issuer, fails } from './world.mjs'

const insecure = { [oauth.allowInsecureRequests]: true }
const read = async (algorithm) => oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), { algorithm, ...insecure }))

test('both documents are found, are of this issuer, and agree', async () => {
  const oauth2 = await read('oauth2')
  const openid = await read('oidc')
  assert.equal(oauth2.issuer, issuer)
  assert.deepEqual(oauth2, openid)
})

test('a client that expects another issuer does not believe the document', async () => {
  const other = new URL(issuer.replace('127.0.0.1', 'localhost'))
  const error = await fails(oauth.discoveryRequest(other, { algorithm: 'oidc', ...insecure }).then((r) => oauth.processDiscoveryResponse(other, r)))
  assert.equal(error.code, oauth.JSON_ATTRIBUTE_COMPARISON)
})

test('the metadata promise what FAPI 2.0 asks of a server, and nothing that it forbids', async () => {
  const m = await read('oidc')
  assert.deepEqual(m.response_types_supported, ['code'])
  assert.deepEqual(m.code_challenge_methods_supported, ['S256'])
  assert.equal(m.authorization_response_iss_parameter_supported, true)
  assert.ok(m.token_endpoint_auth_methods_supported.includes('private_key_jwt'))
  assert.ok(!m.token_endpoint_auth_methods_supported.some((method) => method.startsWith('client_secret')))
  for (const list of ['token_endpoint_auth_signing_alg_values_supported', 'dpop_signing_alg_values_supported', 'id_token_signing_alg_values_supported']) {
    for (const alg of m[list]) assert.ok(['ES256', 'PS256', 'EdDSA', 'Ed25519'].includes(alg), `${list} names ${alg}`)
  }
  for (const grant of ['password', 'implicit']) assert.ok(!m.grant_types_supported.includes(grant), grant)
  assert.equal(m.request_uri_parameter_supported, false)
})

test('every address in the metadata is of the issuer and is served', async () => {
  const m = await read('oidc')
  const addresses = Object.entries(m).filter(([name]) => name.endsWith('_endpoint') || name === 'jwks_uri')
  assert.ok(addresses.length >= 3)
  for (const [name, url] of addresses) {
    assert.ok(url.startsWith(`${issuer}/`), `${name} is ${url}`)
    const answer = await fetch(url, { redirect: 'manual' })
    await answer.text()
    assert.notEqual(answer.status, 404, name) // 405 says that it is there, for another method
    assert.ok(answer.status < 500, name)
  }
})

test('published keys are public keys for signatures, each with a name of its own', async () => {
  const { keys } = await (await fetch((await read('oidc')).jwks_uri)).json()
  assert.ok(keys.length >= 1)
  assert.equal(new Set(keys.map((k) => k.kid)).size, keys.length)
  for (const key of keys) {
    assert.equal(key.use, 'sig')
    for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth']) assert.ok(!(secret in key), `a private member: ${secret}`)
  }
})

test('the certified client configures itself from the issuer alone', async () => {
  const { config } = await agency('mam-non-hoa-mai')
  assert.equal(config.serverMetadata().issuer, issuer)
  assert.ok(config.serverMetadata().supportsPKCE())
})
