/** The console: asks for a key, then shows decisions and numbers as the API tells them. Nothing here is made up. */
import { forgetKey, storedKey, storeKey, takeKeyFromAddress } from './api.js';
import { startDecisions } from './decisions.js';
import { createDetail } from './detail.js';
import { byId, showText } from './dom.js';
import { startOverview } from './overview.js';

let parts = [];
let overview;

const detail = createDetail({
  onClose() {
    if (location.hash.startsWith('#/decisions/')) history.pushState(null, '', location.pathname + location.search);
  },
  onKeyRefused: signOut,
  onLabelled: () => overview?.refresh(),
});

/** The address says which decision is open, so that it can be sent to a colleague. */
function followAddress() {
  const match = /^#\/decisions\/(.+)$/.exec(location.hash);
  if (match === null || storedKey() === '') return detail.close();
  try {
    detail.open(decodeURIComponent(match[1]));
  } catch {
    detail.close();
  }
}

function openDecision(paymentId) {
  history.pushState(null, '', `#/decisions/${encodeURIComponent(paymentId)}`);
  followAddress();
}

function stopParts() {
  for (const part of parts) part.stop();
  parts = [];
  overview = undefined;
}

function signOut(reason = '') {
  stopParts();
  forgetKey();
  detail.close();
  byId('console').hidden = true;
  byId('sign-out').hidden = true;
  byId('status').textContent = '';
  byId('sign-in').hidden = false;
  showText(byId('key-problem'), typeof reason === 'string' ? reason : '');
  byId('key').value = '';
  byId('key').focus();
}

function signIn() {
  byId('sign-in').hidden = true;
  byId('console').hidden = false;
  byId('sign-out').hidden = false;
  const decisions = startDecisions({ onOpen: openDecision, onKeyRefused: signOut });
  overview = startOverview({ onRule: decisions.showRule, onKeyRefused: signOut });
  parts = [decisions, overview];
  followAddress();
}

byId('key-form').addEventListener('submit', (event) => {
  event.preventDefault();
  storeKey(byId('key').value.trim());
  showText(byId('key-problem'), '');
  signIn();
});
byId('sign-out').addEventListener('click', () => signOut());
addEventListener('hashchange', () => {
  takeKeyFromAddress();
  followAddress();
});
addEventListener('popstate', followAddress);

takeKeyFromAddress();
if (storedKey() === '') signOut();
else signIn();
