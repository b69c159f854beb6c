import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { invalidArgument } from '../failure.ts';
import { allowOnly, childOf, malformed, textOf, type XmlElement } from '../xml/parser.ts';
import { element } from '../xml/writer.ts';
import type { ConfigurationForm } from './form.ts';

/*
 * Who is told of what happens in a bucket (https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html). An ARN names a target that the operator
 * has defined: `arn:dsom:sqs::NAME:webhook`, as clients of other self-hosted stores write it, or an ARN of AWS whose last part is the name.
 */

/** What a rule may name, with `*` and without. https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html */
const eventNames: readonly string[] = [
  's3:TestEvent',
  's3:ObjectCreated:*',
  's3:ObjectCreated:Put',
  's3:ObjectCreated:Post',
  's3:ObjectCreated:Copy',
  's3:ObjectCreated:CompleteMultipartUpload',
  's3:ObjectRemoved:*',
  's3:ObjectRemoved:Delete',
  's3:ObjectRemoved:DeleteMarkerCreated',
  's3:ObjectRestore:*',
  's3:ObjectRestore:Post',
  's3:ObjectRestore:Completed',
  's3:ObjectRestore:Delete',
  's3:ReducedRedundancyLostObject',
  's3:Replication:*',
  's3:Replication:OperationFailedReplication',
  's3:Replication:OperationMissedThreshold',
  's3:Replication:OperationReplicatedAfterThreshold',
  's3:Replication:OperationNotTracked',
  's3:LifecycleExpiration:*',
  's3:LifecycleExpiration:Delete',
  's3:LifecycleExpiration:DeleteMarkerCreated',
  's3:LifecycleTransition',
  's3:IntelligentTiering',
  's3:ObjectTagging:*',
  's3:ObjectTagging:Put',
  's3:ObjectTagging:Delete',
  's3:ObjectAcl:Put',
];
const knownEvents: ReadonlySet<string> = new Set(eventNames);

/** The three kinds of rules: root of one, element of its ARN, and the service that the ARN names. */
const ruleKinds = [
  ['TopicConfiguration', 'Topic', 'sns'],
  ['QueueConfiguration', 'Queue', 'sqs'],
  ['CloudFunctionConfiguration', 'CloudFunction', 'lambda'],
] as const;

type RuleKind = (typeof ruleKinds)[number][0];

export interface NotificationRule {
  readonly kind: RuleKind;
  /** Empty where the client gave none: whoever keeps the rule gives it one. */
  readonly id: string;
  readonly arn: string;
  /** Name of the target that the ARN means. */
  readonly target: string;
  readonly events: readonly string[];
  readonly prefix: string | undefined;
  readonly suffix: string | undefined;
}

export interface NotificationRules {
  readonly rules: readonly NotificationRule[];
  readonly eventBridge: boolean;
}

const badArn = (arn: string): StoreError =>
  invalidArgument(
    'arn',
    arn,
    'A specified destination ARN does not exist or is not well-formed. Verify the destination ARN.',
  );

/** `arn:PARTITION:SERVICE:REGION:ACCOUNT:NAME`; the partitions of self-hosted stores have the name in the place of the account, and then the type of the target. */
function targetOf(arn: string, service: string): string {
  const parts = arn.split(':');
  const [scheme, partition = '', kind, , account = ''] = parts;
  const own = partition === 'dsom' || partition === 'minio';
  // Targets of self-hosted stores are all written as queues by their clients.
  if (scheme !== 'arn' || (kind !== service && !(own && kind === 'sqs'))) throw badArn(arn);
  const name = own ? account : parts.at(-1);
  if ((own && parts.length !== 6) || (!own && (!partition.startsWith('aws') || parts.length < 6))) throw badArn(arn);
  if (!name || !/^[A-Za-z0-9_-]+$/.test(name)) throw badArn(arn);
  return name;
}

function filterOf(rule: XmlElement): { prefix: string | undefined; suffix: string | undefined } {
  const filter = childOf(rule, 'Filter');
  const found: Partial<Record<'prefix' | 'suffix', string>> = {};
  if (filter) {
    allowOnly(filter, ['S3Key']);
    const key = childOf(filter, 'S3Key');
    for (const one of key?.children ?? []) {
      if (one.name !== 'FilterRule') throw malformed(`The element ${one.name} is not known here.`);
      allowOnly(one, ['Name', 'Value']);
      const name = textOf(one, 'Name')?.trim() ?? '';
      const value = textOf(one, 'Value') ?? '';
      const which = name.toLowerCase();
      if (which !== 'prefix' && which !== 'suffix')
        throw invalidArgument('FilterRule.Name', name, 'filter rule name must be either prefix or suffix');
      if (found[which] !== undefined)
        throw invalidArgument('FilterRule.Name', name, `Cannot specify more than one ${which} rule in a filter.`);
      if (Buffer.byteLength(value) > limits.keyBytes)
        throw invalidArgument(
          'FilterRule.Value',
          value.slice(0, 128),
          `Size of filter rule value cannot exceed ${limits.keyBytes} bytes in UTF-8 representation`,
        );
      found[which] = value;
    }
  }
  return { prefix: found.prefix, suffix: found.suffix };
}

function ruleOf(rule: XmlElement, kind: RuleKind, arnElement: string, service: string): NotificationRule {
  allowOnly(rule, ['Id', arnElement, 'Event', 'Filter']);
  const id = textOf(rule, 'Id')?.trim() ?? '';
  if (id.length > limits.notificationIdChars)
    throw invalidArgument('Id', id.slice(0, 128), `The ID has ${limits.notificationIdChars} characters at most.`);
  const arn = textOf(rule, arnElement)?.trim();
  if (!arn) throw malformed(`A ${kind} has a ${arnElement}.`);
  const events = rule.children
    .filter(({ name }) => name === 'Event')
    .map((event) => {
      if (event.children.length > 0) throw malformed('The element Event holds text only.');
      return event.text.trim();
    });
  if (events.length === 0) throw malformed(`A ${kind} has at least one Event.`);
  for (const event of events)
    if (!knownEvents.has(event) || event === 's3:TestEvent')
      throw invalidArgument('Event', event, 'A specified event is not supported for notifications.');
  return { kind, id, arn, target: targetOf(arn, service), events: [...new Set(events)], ...filterOf(rule) };
}

/** Whether a name of an event, maybe with `*`, means this one. */
const means = (name: string, event: string): boolean =>
  name === event || (name.endsWith(':*') && event.startsWith(name.slice(0, -1)));

const share = (a: readonly string[], b: readonly string[]): boolean =>
  a.some((one) => b.some((other) => means(one, other) || means(other, one)));

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html: two rules for one kind of event must not both fit one key. */
function refuseOverlap(rules: readonly NotificationRule[]): void {
  const { length } = rules;
  for (const [at, a] of rules.entries())
    for (let next = at + 1; next < length; next++) {
      const b = rules[next] as NotificationRule;
      if (!share(a.events, b.events)) continue;
      const unfiltered = [a, b].every(({ prefix, suffix }) => !prefix && !suffix);
      if (unfiltered)
        throw invalidArgument(
          'Event',
          [...a.events, ...b.events].join(', ').slice(0, 256),
          'Configurations overlap. Configurations on the same bucket cannot share a common event type.',
        );
      const [ap, bp, as, bs] = [a.prefix ?? '', b.prefix ?? '', a.suffix ?? '', b.suffix ?? ''];
      if ((ap.startsWith(bp) || bp.startsWith(ap)) && (as.endsWith(bs) || bs.endsWith(as)))
        throw new StoreError('InvalidArgument', {
          message:
            'Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.',
        });
    }
}

const filterXml = ({ prefix, suffix }: NotificationRule): string => {
  const one = (name: string, value: string | undefined) =>
    value === undefined ? '' : `<FilterRule>${element('Name', name)}${element('Value', value)}</FilterRule>`;
  const rules = one('Prefix', prefix) + one('Suffix', suffix);
  return rules === '' ? '' : `<Filter><S3Key>${rules}</S3Key></Filter>`;
};

export const notificationForm: ConfigurationForm<NotificationRules> = {
  kind: 'notification',
  root: 'NotificationConfiguration',
  digest: 'optional',
  unset: { inner: '' },
  parse(document) {
    allowOnly(document, [...ruleKinds.map(([name]) => name), 'EventBridgeConfiguration']);
    const bridge = childOf(document, 'EventBridgeConfiguration');
    if (bridge) allowOnly(bridge, []);
    if (document.children.length > limits.notifications)
      throw invalidArgument(
        'NotificationConfiguration',
        String(document.children.length),
        `A bucket has ${limits.notifications} configurations of notifications at most.`,
      );
    const rules = ruleKinds.flatMap(([kind, arn, service]) =>
      document.children.filter(({ name }) => name === kind).map((rule) => ruleOf(rule, kind, arn, service)),
    );
    const ids = rules.flatMap(({ id }) => (id === '' ? [] : [id]));
    const twice = ids.find((id, at) => ids.indexOf(id) < at);
    if (twice !== undefined)
      throw invalidArgument('Id', twice, 'Same ID used for multiple configurations. IDs must be unique.');
    refuseOverlap(rules);
    return { rules, eventBridge: bridge !== undefined };
  },
  write: ({ rules, eventBridge }) =>
    rules
      .map((rule) => {
        const arnElement = ruleKinds.find(([kind]) => kind === rule.kind)?.[1] as string;
        const events = rule.events.map((event) => element('Event', event)).join('');
        return `<${rule.kind}>${element('Id', rule.id)}${element(arnElement, rule.arn)}${events}${filterXml(rule)}</${rule.kind}>`;
      })
      .join('') + (eventBridge ? '<EventBridgeConfiguration/>' : ''),
};

/** The rules that an event of a key is for. @param event without `s3:` */
export function rulesFor(rules: NotificationRules, event: string, key: string): NotificationRule[] {
  return rules.rules.filter(
    ({ events, prefix = '', suffix = '' }) =>
      events.some((name) => means(name, `s3:${event}`)) && key.startsWith(prefix) && key.endsWith(suffix),
  );
}
