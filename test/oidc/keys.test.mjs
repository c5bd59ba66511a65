// Rotation of signing keys under traffic (S4). The successor is published ten minutes before it signs, so that no cache can miss it; that it then
// takes over is shown in Go (TestS4_TokenKeyRotation), since ten minutes cannot be had here.
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { createLocalJWKSet, createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import * as oidc from 'openid-client'
import { agency, api, bound, call, citizen, command, issuer, level1, replica, signedIn } from './world.mjs'

const events = '/v1/events?organisation=cong-an-cu-tru'
let police, portal

before(async () => {
  police = await agency('cong-an-cu-tru')
  portal = await agency('bhxh-hai-phong')
})

const tokenKeys = async () =>
  (await command('keys', 'status')).stdout.split('\n').map((line) => line.split(/\s{2,}/)).filter(([purpose]) => purpose === 'token')

test('rotation under traffic: no request fails, and the library keeps validating', async () => {
  const hold = await bound(police)
  const remote = createRemoteJWKSet(new URL(police.config.serverMetadata().jwks_uri)) // fetched once, as long as it knows every kid
  const first = await oidc.clientCredentialsGrant(police.config, { scope: 'events' }, hold)
  await jwtVerify(first.access_token, remote, { issuer, audience: api, typ: 'at+jwt' })
  const before = await tokenKeys()

  let over = false
  let requests = 0
  const traffic = async () => {
    const mine = await bound(police)
    while (!over || requests < 12) {
      const { access_token: token } = await oidc.clientCredentialsGrant(police.config, { scope: 'events' }, mine)
      await jwtVerify(token, remote, { issuer, audience: api, typ: 'at+jwt' })
      assert.equal((await call(police, mine, token, events)).status, 200)
      requests++
    }
  }
  const rotate = async () => {
    try {
      await command('keys', 'rotate', '--purpose=token')
      await command('keys', 'rotate', '--purpose=token') // again: there is a successor already
    } finally {
      over = true
    }
  }
  await Promise.all([traffic(), traffic(), rotate()])

  const after = await tokenKeys()
  assert.equal(after.length, before.length + 1)
  const next = after.filter(([, state]) => state === 'next')
  assert.equal(next.length, 1)
  assert.match(next[0].join(' '), /signs from/)
  assert.equal((await call(police, hold, first.access_token, events)).status, 200) // the token from before

  // A process that starts now publishes the successor beside the key that signs, and knows what the other process signed.
  const other = await replica()
  try {
    const set = await (await fetch(`${other.address}/oauth/jwks`)).json()
    const kids = set.keys.map((k) => k.kid)
    assert.ok(kids.includes(decodeProtectedHeader(first.access_token).kid))
    assert.ok(kids.some((kid) => next[0].includes(kid)), 'the successor is not published')
    const { tokens } = await signedIn(portal, await bound(portal), citizen('thi'), { acr_values: level1 })
    await jwtVerify(tokens.id_token, createLocalJWKSet(set), { issuer, audience: portal.id })
    const seen = await (await fetch(`${other.address}/.well-known/openid-configuration`)).json()
    assert.equal(seen.issuer, issuer)
  } finally {
    await other.stop()
  }
})
