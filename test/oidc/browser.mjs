// What a person does: follow links, fill the plain HTML forms, confirm on the phone. Nothing here knows more than a browser without scripts.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { importJWK, SignJWT } from 'jose'

const unescape = (s) =>
  s.replace(/&#(\d+);/g, (_, n) => String.fromCodePoint(Number(n))).replace(/&quot;/g, '"').replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&amp;/g, '&')

const attribute = (tag, name) => {
  const found = new RegExp(`\\b${name}="([^"]*)"`).exec(tag)
  return found ? unescape(found[1]) : undefined
}

// forms reads the forms of a page: where each goes and what it would send.
function forms(body) {
  return [...body.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gs)].map(([, tag, inside]) => {
    const fields = new URLSearchParams()
    for (const [input] of inside.matchAll(/<input\b[^>]*>/g)) {
      const name = attribute(input, 'name')
      if (name && attribute(input, 'type') !== 'submit') fields.set(name, attribute(input, 'value') ?? '')
    }
    return { action: attribute(tag, 'action') ?? '', fields }
  })
}

// Browser keeps cookies and follows redirects within one site. `left` is where it was sent when it left the site.
export class Browser {
  #cookies = new Map()
  #site
  page

  constructor(site) {
    this.#site = new URL(site).origin
  }

  async get(url) {
    return this.#load(new URL(url, this.#site), { method: 'GET' })
  }

  // submit fills the form of the present page that has all the named fields, and presses the button that sends `pressed`.
  async submit(values, pressed = {}) {
    const names = Object.keys(values)
    const form = forms(this.page.body).find((f) => names.every((n) => f.fields.has(n)))
    assert.ok(form, `no form with ${names} on the page: ${this.words()}`)
    for (const [name, value] of Object.entries({ ...values, ...pressed })) form.fields.set(name, value)
    return this.#load(new URL(form.action, this.page.url), { method: 'POST', body: form.fields })
  }

  has(name) {
    return forms(this.page.body).some((f) => f.fields.has(name))
  }

  words() {
    return `${this.page.status} ${this.page.body.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ').slice(0, 300)}`
  }

  async #load(url, init) {
    for (let hops = 0; hops < 10; hops++) {
      if (url.origin !== this.#site) return { left: url }
      const headers = new Headers({ 'accept-language': 'vi' })
      if (this.#cookies.size > 0) headers.set('cookie', [...this.#cookies].map(([n, v]) => `${n}=${v}`).join('; '))
      if (init.method === 'POST') headers.set('origin', this.#site)
      const answer = await fetch(url, { ...init, headers, redirect: 'manual' })
      for (const line of answer.headers.getSetCookie()) this.#keep(line)
      const body = await answer.text()
      const to = answer.headers.get('location')
      if (!to) {
        this.page = { status: answer.status, headers: answer.headers, url, body }
        return { page: this.page }
      }
      url = new URL(to, url)
      init = { method: 'GET' }
    }
    throw new Error('the pages lead in a circle')
  }

  #keep(line) {
    const [pair, ...rest] = line.split(';')
    const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]
    const age = rest.map((r) => /^\s*max-age=(-?\d+)/i.exec(r)).find(Boolean)
    if (age && Number(age[1]) <= 0) this.#cookies.delete(name)
    else this.#cookies.set(name, value)
  }
}

// Phone is the registered device of a citizen: it asks what waits, and signs the number that the person picked.
export class Phone {
  constructor(issuer, citizen) {
    this.issuer = issuer
    this.jwk = citizen.device_jwk
  }

  async #send(path, typ, claims) {
    const key = await importJWK(this.jwk, 'ES256')
    const assertion = await new SignJWT({ ...claims, jti: randomUUID() })
      .setProtectedHeader({ alg: 'ES256', typ, kid: this.jwk.kid })
      .setSubject(this.jwk.kid).setAudience(this.issuer).setIssuedAt().setExpirationTime('60s').sign(key)
    const answer = await fetch(this.issuer + path, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ assertion }),
    })
    return { status: answer.status, body: await answer.json() }
  }

  async waiting() {
    const { status, body } = await this.#send('/oauth/device/challenges', 'vidan-device+jwt', {})
    assert.equal(status, 200, JSON.stringify(body))
    return body.challenges
  }

  async answer(number, decision = 'allow') {
    const found = (await this.waiting()).find((c) => c.numbers.includes(number))
    assert.ok(found, 'no sign-in with this number waits on the phone')
    const { status, body } = await this.#send('/oauth/device/confirm', 'vidan-confirmation+jwt', { challenge_id: found.challenge_id, number, decision })
    assert.equal(status, 200, JSON.stringify(body))
  }
}

// signIn opens the authorization URL as the citizen and returns where the browser was sent in the end.
export async function signIn(url, citizen, issuer) {
  const browser = new Browser(issuer)
  let at = await browser.get(url)
  for (let pages = 0; pages < 8; pages++) {
    if (at.left) return at.left
    const shown = /data-number="(\d\d)"/.exec(browser.page.body)
    if (shown) {
      await new Phone(issuer, citizen).answer(shown[1])
      at = await browser.get(browser.page.url)
    } else {
      assert.ok(browser.has('passphrase'), `a page nobody can go on from: ${browser.words()}`)
      at = await browser.submit({ personal_number: citizen.personal_number, passphrase: citizen.passphrase })
    }
  }
  throw new Error('the sign-in did not come to an end')
}
