// Introspection (RFC 7662, RFC 9449 §6.2, RFC 9701): the state of now, told to the client the token belongs to and to nobody else.
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import * as oauth from 'oauth4webapi'
import * as oidc from 'openid-client'
import { post } from './messages.mjs'
import { agency, api, bound, citizen, issuer, level1, signedIn } from './world.mjs'

let portal, other, hold

before(async () => {
  portal = { ...(await agency('bhxh-hai-phong')), scope: 'openid offline_access' }
  other = await agency('mam-non-hoa-mai')
  hold = await bound(portal)
})

const inactive = (told) => assert.deepEqual(told, { active: false })

test('a machine’s token: whose, for what, until when, bound to which key', async () => {
  const { access_token: token } = await oidc.clientCredentialsGrant(portal.config, { scope: 'events' }, hold)
  const told = await oidc.tokenIntrospection(portal.config, token)
  assert.equal(told.active, true)
  assert.equal(told.client_id, portal.id)
  assert.equal(told.iss, issuer)
  assert.equal(told.aud, api)
  assert.equal(told.scope, 'events')
  assert.equal(told.cnf.jkt, await hold.DPoP.calculateThumbprint())
  assert.ok(told.exp > Date.now() / 1000)
})

test('a person’s token and refresh token, until the sign-in ends', async () => {
  const { tokens } = await signedIn(portal, hold, citizen('giai'), { acr_values: level1 })
  const access = await oidc.tokenIntrospection(portal.config, tokens.access_token)
  assert.equal(access.active, true)
  assert.equal(access.sub, tokens.claims().sub)
  assert.equal(access.acr, level1)
  assert.equal((await oidc.tokenIntrospection(portal.config, tokens.refresh_token)).active, true)
  await oidc.tokenRevocation(portal.config, tokens.refresh_token)
  inactive(await oidc.tokenIntrospection(portal.config, tokens.access_token))
  inactive(await oidc.tokenIntrospection(portal.config, tokens.refresh_token))
})

test('another’s token looks like one that does not exist', async () => {
  const { access_token: token } = await oidc.clientCredentialsGrant(portal.config, { scope: 'events' }, hold)
  inactive(await oidc.tokenIntrospection(other.config, token))
  inactive(await oidc.tokenIntrospection(other.config, 'x'))
  inactive(await oidc.tokenIntrospection(portal.config, `${token}x`))
  assert.equal((await oidc.tokenIntrospection(portal.config, token)).active, true)
})

test('nobody asks without proving who they are', async () => {
  const { access_token: token } = await oidc.clientCredentialsGrant(portal.config, { scope: 'events' }, hold)
  assert.equal((await post('/oauth/introspect', new URLSearchParams({ token, client_id: portal.id }))).error, 'invalid_client')
  assert.equal((await post('/oauth/introspect', new URLSearchParams({ token, client_id: 'vidan-app' }))).error, 'invalid_client')
})

test('the signed answer is of the server, for who asked (RFC 9701)', async () => {
  const { access_token: token } = await oidc.clientCredentialsGrant(portal.config, { scope: 'events' }, hold)
  const as = portal.config.serverMetadata()
  const client = { client_id: portal.id, introspection_signed_response_alg: 'ES256' }
  const auth = oauth.PrivateKeyJwt({ key: portal.key, kid: portal.jwk.kid })
  const options = { requestJwtResponse: true, [oauth.allowInsecureRequests]: true }
  const answer = await oauth.introspectionRequest(as, client, auth, token, options)
  const copy = answer.clone()
  const told = await oauth.processIntrospectionResponse(as, client, answer)
  await oauth.validateApplicationLevelSignature(as, answer, { [oauth.allowInsecureRequests]: true })
  assert.equal(told.active, true)
  const { payload } = await jwtVerify(await copy.text(), createRemoteJWKSet(new URL(as.jwks_uri)), { issuer, audience: portal.id, typ: 'token-introspection+jwt' })
  assert.equal(payload.token_introspection.client_id, portal.id)
})
