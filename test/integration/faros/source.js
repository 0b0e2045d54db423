// A source on another CDK than the Python one: two streams, one of them
// incremental with a checkpoint every 100 records.
const cdk = require('faros-airbyte-cdk');

class Numbers extends cdk.AirbyteStreamBase {
  constructor(logger, name, count) { super(logger); this.title = name; this.count = count; }
  get name() { return this.title; }
  get primaryKey() { return 'id'; }
  get cursorField() { return this.title === 'numbers' ? 'id' : []; }
  get stateCheckpointInterval() { return 100; }
  getJsonSchema() {
    return {type: 'object', properties: {id: {type: 'integer'}, half: {type: 'number'}, text: {type: 'string'},
      nested: {type: 'object', properties: {even: {type: 'boolean'}}}, tags: {type: 'array', items: {type: 'string'}}}};
  }
  getUpdatedState(state, record) { return {last: Math.max(state.last ?? 0, record.id)}; }
  async *readRecords() {
    for (let id = 1; id <= this.count; id++) {
      yield {id, half: id / 2, text: `row "${id}", \u00e4\n\u{1F680}`, nested: {even: id % 2 === 0}, tags: id % 3 ? ['a', 'b'] : null};
    }
  }
}

class Source extends cdk.AirbyteSourceBase {
  get type() { return 'numbers'; }
  async spec() { return new cdk.AirbyteSpec({connectionSpecification: {type: 'object', properties: {count: {type: 'integer'}}}}); }
  async checkConnection() { return [true, undefined]; }
  streams(config) { return [new Numbers(this.logger, 'numbers', config.count), new Numbers(this.logger, 'full', 50)]; }
}

const logger = new cdk.AirbyteSourceLogger();
new cdk.AirbyteSourceRunner(logger, new Source(logger)).mainCommand().parseAsync(process.argv);
