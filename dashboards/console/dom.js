/** The only way this page makes elements: text goes in as text nodes, so no value from the API can become markup. */
const svgNamespace = 'http://www.w3.org/2000/svg';

function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children.flat()) {
    if (child === undefined || child === null || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

/** `el('p', { class: 'x', onclick: f }, 'text', otherElement)` */
export function el(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(svgNamespace, tag), properties, children);
}

export function byId(id) {
  const node = document.getElementById(id);
  if (node === null) throw new Error(`no element ${id}`);
  return node;
}

/** Shows a text in an element that is hidden while there is none. */
export function showText(node, text) {
  if (node.textContent !== text) node.textContent = text;
  node.hidden = text === '';
}
