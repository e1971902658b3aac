/** One decision in full: what was decided, why, from which values, by which release; and what became of the payment. */
import { getDecision, sendLabel } from './api.js';
import { byId, el } from './dom.js';
import { explanations, features, model, pairs, reasons } from './explain.js';
import { fullTime, latency, money, score } from './format.js';

const paymentNames = {
  customerId: 'Customer',
  accountId: 'Account',
  counterpartyAccountId: 'Counterparty',
  merchantId: 'Merchant',
  terminalId: 'Terminal',
  cardId: 'Card',
  deviceId: 'Device',
  ipAddress: 'IP address',
  channel: 'Channel',
  merchantCategoryCode: 'Category',
  country: 'Country',
};

function section(title, ...children) {
  return el('section', { class: 'part' }, el('h3', {}, title), ...children);
}

function verdict(decision, payment) {
  return el(
    'div',
    { class: `verdict verdict-${decision.action}` },
    el('p', { class: 'verdict-action' }, decision.action === 'hold' ? 'Held' : 'Allowed'),
    el('p', { class: 'verdict-score' }, 'score ', el('strong', {}, score(decision.score))),
    el('p', { class: 'verdict-amount' }, money(payment.amountMinor, payment.currency)),
  );
}

function paymentPairs(payment) {
  const named = Object.entries(paymentNames).map(([field, name]) => [name, payment[field]]);
  const attributes = Object.entries(payment.attributes ?? {}).map(([name, given]) => [
    `attributes.${name}`,
    String(given),
  ]);
  return pairs([['Payment', payment.paymentId], ['Took place', fullTime(payment.occurredAt)], ...named, ...attributes]);
}

function decisionPairs(decision) {
  return pairs([
    ['Decided', fullTime(decision.decidedAt)],
    ['Took', latency(decision.latencyMicros)],
    ['Degraded', decision.degraded.length === 0 ? 'no, every stage did its full work' : decision.degraded.join(', ')],
    ['Release', el('code', { class: 'hash' }, decision.releaseId)],
    ['Decision', el('code', { class: 'hash' }, decision.decisionId)],
  ]);
}

function labelList(labels) {
  if (labels.length === 0) return el('p', { class: 'empty' }, 'Not labelled yet.');
  const items = labels.map((label) =>
    el(
      'li',
      {},
      el('span', { class: `badge badge-${label.label}` }, label.label),
      ` by ${label.source}, `,
      el('time', { datetime: label.labelledAt }, fullTime(label.labelledAt)),
    ),
  );
  return el('ul', { class: 'labels' }, items);
}

function labelForm(paymentId, onLabelled) {
  const radio = (given, text) =>
    el(
      'label',
      { class: 'choice' },
      el('input', { type: 'radio', name: 'label', value: given, required: true }),
      el('span', {}, text),
    );
  const sources = ['analyst', 'customer', 'chargeback', 'other'].map((source) =>
    el('option', { value: source }, source),
  );
  const outcome = el('p', { class: 'hint', role: 'status' });
  const submit = el('button', { type: 'submit' }, 'Record label');
  const form = el(
    'form',
    { class: 'label-form' },
    el(
      'fieldset',
      {},
      el('legend', {}, 'This payment was'),
      el('div', { class: 'choices' }, radio('fraud', 'fraud'), radio('legitimate', 'legitimate')),
    ),
    el('label', {}, 'according to ', el('select', { name: 'source' }, sources)),
    submit,
    outcome,
  );
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const given = new FormData(form);
    submit.disabled = true;
    outcome.textContent = 'Recording…';
    try {
      await sendLabel({
        paymentId,
        label: given.get('label'),
        source: given.get('source'),
        labelledAt: new Date().toISOString(),
      });
      onLabelled();
    } catch (error) {
      outcome.textContent = `The label was not recorded: ${error.message}`;
    } finally {
      submit.disabled = false;
    }
  });
  return form;
}

function content(view, onLabelled) {
  const { payment, features: used, explanation, labels, ...decision } = view;
  const raw = { decision, payment };
  return [
    verdict(decision, payment),
    section('Reasons', reasons(decision.reasons, decision.action)),
    section('Rules that fired', explanations(explanation)),
    section('Model', model(decision.model)),
    section('Labels', labelList(labels), labelForm(decision.paymentId, onLabelled)),
    section('Payment', paymentPairs(payment)),
    section('Decision', decisionPairs(decision)),
    section('Features', features(used)),
    section(
      'Original',
      el(
        'details',
        {},
        el('summary', {}, 'Decision and payment as JSON'),
        el('pre', { tabindex: '0' }, JSON.stringify(raw, null, 2)),
      ),
    ),
  ];
}

/** Makes the drawer; answers `open(paymentId)` and `close()`. `onClose` when the reader closed it. */
export function createDetail({ onClose, onKeyRefused, onLabelled }) {
  const dialog = byId('detail');
  const body = byId('detail-body');
  let wanted;

  async function load(paymentId, keepShown) {
    if (!keepShown) body.replaceChildren(el('p', { class: 'empty', role: 'status' }, 'Loading…'));
    try {
      const view = await getDecision(paymentId);
      if (wanted !== paymentId) return;
      const top = body.scrollTop;
      body.replaceChildren(
        ...content(view, () => {
          onLabelled();
          load(paymentId, true);
        }),
      );
      body.scrollTop = keepShown ? top : 0;
    } catch (error) {
      if (wanted !== paymentId) return;
      if (error.kind === 'key') return onKeyRefused(error.message);
      const again = el('button', { type: 'button' }, 'Try again');
      again.addEventListener('click', () => load(paymentId, false));
      const text =
        error.kind === 'missing'
          ? 'There is no decision on this payment.'
          : `The decision cannot be shown: ${error.message}`;
      body.replaceChildren(el('p', { class: 'notice', role: 'alert' }, text), error.kind === 'missing' ? '' : again);
    }
  }

  dialog.addEventListener('close', () => {
    wanted = undefined;
    onClose();
  });
  byId('detail-close').addEventListener('click', () => dialog.close());
  // A click beside the drawer closes it; the dialog's own box is the only target there.
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });

  return {
    open(paymentId) {
      if (wanted === paymentId) return;
      wanted = paymentId;
      byId('detail-heading').textContent = paymentId;
      if (!dialog.open) dialog.showModal();
      byId('detail-heading').focus();
      load(paymentId, false);
    },
    close() {
      if (dialog.open) dialog.close();
    },
  };
}
