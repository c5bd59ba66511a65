// The one script of these pages: it asks the browser for a passkey and sends the answer with the form. Without it the page says what else to do.
"use strict";
(function () {
  const form = document.getElementById("passkey");
  if (!form || !window.PublicKeyCredential || !navigator.credentials) return;
  const button = form.querySelector("button");
  const failed = document.getElementById("failed");
  const register = form.dataset.make === "true";

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0)).buffer;
  const text = (buffer) => buffer == null ? undefined
    : btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  // Browsers from before 2025 neither read the options as JSON nor write the answer so.
  const options = () => {
    const o = JSON.parse(form.dataset.options);
    o.challenge = bytes(o.challenge);
    if (o.user) o.user.id = bytes(o.user.id);
    for (const list of [o.allowCredentials, o.excludeCredentials]) {
      for (const c of list || []) c.id = bytes(c.id);
    }
    return o;
  };
  const answer = (c) => JSON.stringify({
    id: c.id, rawId: text(c.rawId), type: c.type, clientExtensionResults: {},
    response: {
      clientDataJSON: text(c.response.clientDataJSON), attestationObject: text(c.response.attestationObject),
      authenticatorData: register ? undefined : text(c.response.authenticatorData), signature: text(c.response.signature),
      userHandle: text(c.response.userHandle),
    },
  });

  form.addEventListener("submit", async (event) => {
    if (form.elements.response.value) return;
    event.preventDefault();
    failed.hidden = true;
    button.disabled = true;
    try {
      const publicKey = options();
      const made = await (register ? navigator.credentials.create({ publicKey }) : navigator.credentials.get({ publicKey }));
      form.elements.response.value = answer(made);
      form.submit();
    } catch (_) {
      button.disabled = false;
      failed.hidden = false;
      failed.focus();
    }
  });
  document.getElementById("no-script").hidden = true;
  button.hidden = false;
})();
