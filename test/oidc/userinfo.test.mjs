// Userinfo (OpenID Connect Core §5.3): who signed in, and nothing that asks for consent.
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { exportJWK, generateKeyPair } from 'jose'
import * as oidc from 'openid-client'
import { agency, bound, challenged, citizen, configured, fails, file, level1, register, signedIn } from './world.mjs'

let portal, hold, tokens

before(async () => {
  portal = await agency('bhxh-hai-phong')
  hold = await bound(portal)
  tokens = (await signedIn(portal, hold, citizen('trung_con'), { acr_values: level1 })).tokens
})

test('the subject is that of the ID token', async () => {
  const claims = await oidc.fetchUserInfo(portal.config, tokens.access_token, tokens.claims().sub, hold)
  assert.equal(claims.sub, tokens.claims().sub)
  assert.ok(!JSON.stringify(claims).includes(citizen('trung_con').personal_number))
})

test('the library does not believe an answer about somebody else', async () => {
  assert.ok(await fails(oidc.fetchUserInfo(portal.config, tokens.access_token, 'somebody else', hold)))
})

test('another key, a machine’s token, a token that ended', async () => {
  const { sub } = tokens.claims()
  await challenged(oidc.fetchUserInfo(portal.config, tokens.access_token, sub, await bound(portal)), 401, 'invalid_dpop_proof')
  const machine = await oidc.clientCredentialsGrant(portal.config, { scope: 'events' }, hold)
  await challenged(oidc.fetchUserInfo(portal.config, machine.access_token, oidc.skipSubjectCheck, hold), 403, 'insufficient_scope')
  const again = (await signedIn(portal, hold, citizen('trung_con'), { acr_values: level1 })).tokens
  await oidc.tokenRevocation(portal.config, again.access_token)
  await challenged(oidc.fetchUserInfo(portal.config, again.access_token, sub, hold), 401, 'invalid_token')
  assert.ok(await oidc.fetchUserInfo(portal.config, tokens.access_token, sub, hold))
})

test('signed, for a client that is registered so: the library verifies it by the published keys', async () => {
  const signed = await register('hoa-mai-signed', 'mam-non-hoa-mai', 'http://127.0.0.1:7792/signed', 'openid', '--userinfo-signed')
  signed.config = await configured(signed, { userinfo_signed_response_alg: 'ES256' })
  oidc.enableNonRepudiationChecks(signed.config)
  const mine = await bound(signed)
  const its = (await signedIn(signed, mine, citizen('trung_con'), { acr_values: level1 })).tokens
  const claims = await oidc.fetchUserInfo(signed.config, its.access_token, its.claims().sub, mine)
  assert.deepEqual([claims.sub, claims.aud], [its.claims().sub, signed.id])
})

test('encrypted to the client as well: nobody between can read it', async () => {
  const { publicKey, privateKey } = await generateKeyPair('ECDH-ES', { extractable: true, crv: 'P-256' })
  const key = file('hoa-mai-sealed-encryption.jwk', { ...(await exportJWK(publicKey)), kid: 'e1', use: 'enc', alg: 'ECDH-ES' })
  const sealed = await register('hoa-mai-sealed', 'mam-non-hoa-mai', 'http://127.0.0.1:7792/sealed', 'openid', `--encryption-key=${key}`)
  sealed.config = await configured(sealed, { userinfo_signed_response_alg: 'ES256' })
  const { userinfo_encryption_enc_values_supported: enc } = sealed.config.serverMetadata()
  oidc.enableDecryptingResponses(sealed.config, enc, { key: privateKey, kid: 'e1', alg: 'ECDH-ES' })
  const mine = await bound(sealed)
  const its = (await signedIn(sealed, mine, citizen('trung_con'), { acr_values: level1 })).tokens
  const claims = await oidc.fetchUserInfo(sealed.config, its.access_token, its.claims().sub, mine)
  assert.equal(claims.sub, its.claims().sub)
})
