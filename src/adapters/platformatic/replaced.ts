/** Tells when another process has joined by a member's instance id. The client says so nowhere: it joins again and puts that one out. */
import { type Consumer, consumerHeartbeatChannel } from '@platformatic/kafka';
import { isReplaced } from './settings.ts';

/** Calls `listener` before the client joins again. @returns what ends the listening */
export function onReplaced(group: Consumer, listener: () => void): () => void {
  const failed = (message: unknown): void => {
    if (typeof message !== 'object' || message === null || !('client' in message && 'error' in message)) return;
    if (message.client === group && isReplaced(message.error)) listener();
  };
  consumerHeartbeatChannel.error.subscribe(failed);
  return () => consumerHeartbeatChannel.error.unsubscribe(failed);
}
