// Makes a passkey for a terminal that waits for it, and has one sign what its owner approves. What is signed is the
// SHA-256 of the text that the page shows below the button; the CA makes that text anew and compares.
"use strict";

const toBytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const WHY = {
  NotAllowedError: "The passkey was not used: it was cancelled, or took too long.",
  SecurityError: "The browser does not use passkeys of this installation at this address.",
  InvalidStateError: "This device has a passkey here already.",
};

const sentence = (error) => WHY[error.name] || (error.said ? error.message : "The browser could not use a passkey.");

const ask = async (address, form) => {
  const answer = await fetch(address, { method: "POST", body: new URLSearchParams(new FormData(form)), headers: { Accept: "application/json" } });
  const said = (answer.headers.get("Content-Type") || "").startsWith("application/json") ? await answer.json() : null;
  if (answer.ok && said) return said;
  const text = said && said.message ? `${said.message}${said.hint ? ` (${said.hint})` : ""}.` : "You were signed out, or the server did not answer. Load the page again.";
  throw Object.assign(new Error(text), { said: true });
};

const run = (form, nothing, work) => {
  const button = form.querySelector("[data-passkey-button]"), state = form.querySelector("[data-passkey-state]");
  if (!window.PublicKeyCredential || !window.crypto || !crypto.subtle) {
    state.textContent = "This browser has no passkeys.";
    return;
  }
  button.hidden = false;
  state.textContent = "";
  button.addEventListener("click", async () => {
    if (!form.reportValidity()) return;
    button.disabled = true;
    state.textContent = "Confirm on your device…";
    try {
      await work();
      state.textContent = "Sending…";
      form.submit();
    } catch (error) {
      state.textContent = `${sentence(error)} ${nothing}`;
      button.disabled = false;
    }
  });
};

const fill = (form, values) => {
  for (const [name, value] of Object.entries(values)) form.elements[name].value = value;
};

const approving = document.querySelector("form[data-passkey-approve]");
if (approving) {
  run(approving, "Nothing was approved.", async () => {
    const asked = await ask(approving.dataset.passkeyApprove, approving);
    const shown = approving.querySelector("[data-passkey-text]");
    shown.textContent = asked.text;
    shown.closest("details").hidden = false;
    const challenge = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(asked.text));
    const signed = await navigator.credentials.get({
      publicKey: {
        challenge,
        rpId: asked.rp_id,
        userVerification: "required",
        timeout: 120000,
        allowCredentials: asked.credentials.map((id) => ({ type: "public-key", id: toBytes(id) })),
      },
    });
    fill(approving, {
      passkey: toText(signed.rawId),
      challenge: asked.challenge,
      client_data: toText(signed.response.clientDataJSON),
      authenticator_data: toText(signed.response.authenticatorData),
      signature: toText(signed.response.signature),
      confirmed: "yes",
    });
  });
}

const making = document.querySelector("form[data-passkey-make]");
if (making) {
  run(making, "Nothing was made.", async () => {
    const asked = await ask(making.dataset.passkeyMake, making);
    const made = await navigator.credentials.create({
      publicKey: {
        rp: asked.rp,
        user: { ...asked.user, id: toBytes(asked.user.id) },
        challenge: toBytes(asked.challenge),
        pubKeyCredParams: asked.algorithms.map((alg) => ({ type: "public-key", alg })),
        authenticatorSelection: { userVerification: "required", residentKey: "preferred" },
        attestation: "none",
        timeout: 120000,
        excludeCredentials: asked.exclude.map((id) => ({ type: "public-key", id: toBytes(id) })),
      },
    });
    fill(making, {
      client_data: toText(made.response.clientDataJSON),
      authenticator_data: toText(made.response.getAuthenticatorData()),
    });
  });
}
