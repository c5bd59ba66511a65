// What a client may ask of a sign-in (OpenID Connect Core §3.1.2.1, §5.5), and what a resource asks for when the one it sees is too weak (RFC 9470).
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import * as oidc from 'openid-client'
import { Browser, signIn } from './browser.mjs'
import { agency, app, ask, bound, call, challenged, citizen, fails, issuer, level1, level2, signedIn } from './world.mjs'

const contact = '/v1/me/contacts/nothing-of-mine' // only a sign-in of level 2 may take a contact away
const who = citizen('le')
let wallet, portal, hold

before(async () => {
  wallet = await app()
  portal = await agency('mam-non-hoa-mai')
  hold = await bound(wallet)
})

test('a resource names the level it needs; the client asks for that, and goes on', async () => {
  const weak = (await signedIn(wallet, hold, who, { acr_values: level1 })).tokens
  const challenge = await challenged(call(wallet, hold, weak.access_token, contact, 'DELETE'), 401, 'insufficient_user_authentication')
  assert.equal(challenge.parameters.acr_values, level2)
  const strong = (await signedIn(wallet, hold, who, { acr_values: challenge.parameters.acr_values })).tokens
  assert.equal((await call(wallet, hold, strong.access_token, contact, 'DELETE')).status, 404)
})

test('max_age: the library finds auth_time within it', async () => {
  const mine = await bound(portal)
  const { url, checks } = await ask(portal, mine, { max_age: '60', acr_values: level1 })
  const answer = await signIn(url, who, issuer)
  const tokens = await oidc.authorizationCodeGrant(portal.config, answer, { ...checks, maxAge: 60 }, undefined, mine)
  assert.ok(tokens.claims().auth_time)
})

test('prompt=none cannot be met and says so; a prompt that asks for the person is met', async () => {
  const mine = await bound(portal)
  const silent = await ask(portal, mine, { prompt: 'none' })
  const { left } = await new Browser(issuer).get(silent.url)
  assert.equal((await fails(oidc.authorizationCodeGrant(portal.config, left, silent.checks, undefined, mine))).error, 'login_required')
  assert.ok((await signedIn(portal, mine, who, { prompt: 'login', acr_values: level1 })).tokens.id_token)
})

test('claims: an essential acr is met', async () => {
  const claims = JSON.stringify({ id_token: { acr: { essential: true, values: [level2] } } })
  const { tokens } = await signedIn(portal, await bound(portal), who, { acr_values: undefined, claims })
  assert.equal(tokens.claims().acr, level2)
})

test('login_hint: the number is pushed, never in an address, and the page does not show it', async () => {
  const { url } = await ask(portal, await bound(portal), { login_hint: who.personal_number, acr_values: level1 })
  assert.ok(!url.href.includes(who.personal_number))
  const browser = new Browser(issuer)
  const { page } = await browser.get(url)
  assert.equal(page.status, 200)
  assert.ok(!page.body.includes(who.personal_number))
})

test('ui_locales: the page speaks the language that was asked for', async () => {
  for (const lang of ['vi', 'en']) {
    const { url } = await ask(portal, await bound(portal), { ui_locales: `fr ${lang}` })
    const { page } = await new Browser(issuer).get(url)
    assert.match(page.body, new RegExp(`<html lang="${lang}"`))
  }
})
