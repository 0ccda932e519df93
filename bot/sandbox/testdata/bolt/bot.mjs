// A bot on the official client: what it takes to please it is the proof that
// the sandbox speaks Slack's language. Talks to SANDBOX_URL.
import bolt from '@slack/bolt';

const { App, LogLevel } = bolt;
const app = new App({
  token: process.env.BOT_TOKEN, appToken: process.env.APP_TOKEN, socketMode: true, logLevel: LogLevel.ERROR,
  clientOptions: { slackApiUrl: process.env.SANDBOX_URL + '/api/', retryConfig: { retries: 0 } },
});
const plain = (text) => ({ type: 'plain_text', text });
const card = (text, buttons) => [{ type: 'section', text: { type: 'mrkdwn', text } },
  ...(buttons ? [{ type: 'actions', elements: [
    { type: 'button', action_id: 'approve', text: plain('Approve'), style: 'primary', value: 'v1' },
    { type: 'button', action_id: 'deny', text: plain('Deny'), style: 'danger', value: 'v1' }] }] : [])];

app.command('/recycle', async ({ ack, command, client, respond }) => {
  await ack({ text: `on it: ${command.text}`, response_type: 'ephemeral' });
  await client.chat.postMessage({ channel: command.channel_id, text: 'a card', blocks: card(`*${command.text}*`, true),
    metadata: { event_type: 'recycle_job', event_payload: { job: 'R-1' } } });
  await respond({ text: 'later, over the response url', response_type: 'ephemeral' });
});

app.action('approve', async ({ ack, body, client, respond }) => {
  await ack();
  await client.chat.update({ channel: body.channel.id, ts: body.message.ts, text: 'approved', blocks: card(`approved by <@${body.user.id}>`, false) });
  await client.reactions.add({ channel: body.channel.id, timestamp: body.message.ts, name: 'white_check_mark' });
  await client.filesUploadV2({ channel_id: body.channel.id, thread_ts: body.message.ts, filename: 'plan.txt', content: 'the plan\n', title: 'Plan', alt_text: 'the plan' });
  await respond({ text: 'thank you', replace_original: false, response_type: 'ephemeral' });
});

app.action('deny', async ({ ack, body, client }) => {
  await ack();
  await client.views.open({ trigger_id: body.trigger_id, view: { type: 'modal', callback_id: 'deny_form', private_metadata: body.channel.id,
    title: plain('Deny'), submit: plain('Send'), blocks: [
      { type: 'input', block_id: 'host', label: plain('Host'), element: { type: 'external_select', action_id: 'host', min_query_length: 1 } },
      { type: 'input', block_id: 'why', label: plain('Reason'), element: { type: 'plain_text_input', action_id: 'reason' } }] } });
});

app.options('host', async ({ ack, options }) => {
  await ack({ options: ['db-prod-3', 'db-prod-4', 'cache-1'].filter((h) => h.includes(options.value)).map((h) => ({ text: plain(h), value: h })) });
});

app.view('deny_form', async ({ ack, view, body, client }) => {
  const reason = view.state.values.why.reason.value;
  if (reason.length < 5) { await ack({ response_action: 'errors', errors: { why: 'Say more.' } }); return; }
  await ack();
  await client.chat.postMessage({ channel: view.private_metadata, text: `denied by <@${body.user.id}>: ${reason}, ${view.state.values.host.host.selected_option.value}` });
});

app.event('app_home_opened', async ({ event, client }) => {
  await client.views.publish({ user_id: event.user, view: { type: 'home', blocks: card('home of ' + event.user, false) } });
});

app.error(async (e) => { console.error('bot error:', e.data || e); });
await app.start();
console.log('ready');
