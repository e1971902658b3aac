/** IP addresses as one canonical text each, so that two spellings of an address are one entity. Pure: no node:net. */

/** Four decimal numbers 0–255 without leading zeros, as RFC 3986's IPv4address. */
const ipv4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;
const group = /^[\da-f]{1,4}$/i;

/**
 * The canonical text of an IPv4 or IPv6 address, or undefined when it is none. IPv6 as RFC 5952 says (lower case, no
 * leading zeros, the longest run of zero groups as `::`); an IPv4-mapped address becomes the IPv4 address, because it
 * names the same host. Zone ids (`fe80::1%eth0`) are refused: they mean nothing outside the sender.
 */
export function canonicalIpAddress(text: string): string | undefined {
  if (ipv4.test(text)) return text;
  const groups = ipv6Groups(text);
  if (groups === undefined) return undefined;
  const mapped = groups.slice(0, 5).every((g) => g === 0) && groups[5] === 0xffff;
  if (!mapped) return formatIpv6(groups);
  const high = groups[6] as number;
  const low = groups[7] as number;
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

/** The eight 16-bit groups, or undefined. */
function ipv6Groups(text: string): number[] | undefined {
  if (text.length < 2 || text.length > 45) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] as string, halves.length === 1);
  if (head === undefined) return undefined;
  if (halves.length === 1) return head.length === 8 ? head : undefined;
  const tail = parseGroups(halves[1] as string, true);
  // `::` stands for at least one group of zeros.
  if (tail === undefined || head.length + tail.length > 7) return undefined;
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

function parseGroups(text: string, endsAddress: boolean): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: number[] = [];
  for (const [i, part] of parts.entries()) {
    if (group.test(part)) groups.push(Number.parseInt(part, 16));
    else if (endsAddress && i === parts.length - 1 && ipv4.test(part)) {
      const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number);
      groups.push((a << 8) | b, (c << 8) | d);
    } else return undefined;
  }
  return groups;
}

function formatIpv6(groups: readonly number[]): string {
  let bestStart = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > bestLength) {
      bestStart = i;
      bestLength = end - i;
    }
    if (end > i) i = end;
  }
  const hex = groups.map((g) => g.toString(16));
  if (bestStart < 0) return hex.join(':');
  return `${hex.slice(0, bestStart).join(':')}::${hex.slice(bestStart + bestLength).join(':')}`;
}
