/// Every bound of the gateway, in one place: unit in the name, reason beside it.
public enum Limits {
    /// Largest payload taken; the broker's `max_packet_size` allows no more either.
    public static let payloadBytesMax = 65_536
    /// Readings in one packet: a day of ten signals every 15 minutes.
    public static let readingsPerPacketMax = 1_024
    /// Depth of nested values inside a field we skip: real payloads have three or four.
    public static let nestingDepthMax = 32
    /// Bytes of a vehicle's name in topic or line: a VIN has 17, a UUID 36.
    public static let vehicleNameBytesMax = 64
    /// Bytes of a boot name: a UUID has 36.
    public static let bootNameBytesMax = 64
    /// Bytes of a VSS path: the longest of v6.0 has 137.
    public static let signalPathBytesMax = 256
    /// Topics that no source maps, of which the number is told: more than one bridge has.
    public static let ignoredTopicsMax = 200
    /// Bytes of such a topic's sample: enough to see what would have to be mapped.
    public static let ignoredSampleBytesMax = 512
    /// Bytes of a free-text field in a profile.
    public static let profileTextBytesMax = 128
    /// Bytes of one line of a recording; longer ones are rejected, not buffered.
    public static let recordingLineBytesMax = 65_536

    /// How far one line of a recording may move the clock by its own time without a second that
    /// agrees: longer than a holiday, shorter than the year 2036 of a broken clock.
    public static let recordingJumpMax = Milliseconds.days(Int64(60))
    /// Lines per commit of a replay: nobody waits for an acknowledgement, so few, large commits.
    public static let recordingBatchLinesMax = 20_000
    /// Packets per commit: past a thousand a commit gets no cheaper per packet.
    public static let batchPacketsMax = 1_000
    /// Bytes per commit, so that a batch of large packets stays far below the keepalive.
    public static let batchBytesMax = 4 * 1_024 * 1_024

    /// How long a vehicle's readings wait to be sorted by their own time.
    public static let holdMilliseconds = Milliseconds.seconds(120)
    /// Readings that may wait per vehicle; at the limit they are used at once.
    public static let heldReadingsMax = 4_096
    /// How far a reading may lie ahead of its arrival: covers a clock wrong by a zone step of 3 h.
    public static let futureMillisecondsMax = Milliseconds.hours(3)
    /// The oldest reading time taken: 2000-01-01, before the first connected vehicle.
    public static let observedAtMin = Timestamp(milliseconds: 946_684_800_000)
    /// The latest reading time a store can number: 2069, by the 41 bits of a chunk's id.
    public static let observedAtEnd = observedAtMin + Milliseconds.days(Int64(25_450))
    /// Older than this behind its arrival, a reading is counted as late.
    public static let lateMilliseconds = Milliseconds.minutes(10)

    /// Readings at which a vehicle's open readings become a chunk: 114 packets of eight signals.
    ///
    /// Past that a reading takes hardly fewer bytes, and of the rows that
    /// sensors make, 1,320 bytes each, three fit a page of the database.
    public static let chunkReadings = 912
    /// Days between the first and the last reading of a chunk: how far a search looks back.
    public static let chunkSpanDaysMax = 62
    /// Vehicles sealed in one commit, so that a commit stays short.
    public static let sealsPerCommitMax = 128
    /// Bytes the journal may hold: what a restart takes in again, twenty million readings in some
    /// seconds.
    public static let journalBytesMax = 64 * 1_024 * 1_024
    /// Signals in all sets of them that vehicles send together and that are told apart, some ten
    /// megabytes; what comes in other sets is written reading by reading.
    public static let shapeSignalsMax = 524_288
    /// Commits the journal may hold.
    public static let journalRowsMax = 200_000
    /// Damaged rows that wait to be set aside: what is left out is met again.
    public static let damagedRowsNotedMax = 1_000

    /// Boots of one vehicle whose sequence numbers are followed.
    public static let bootsPerVehicleMax = 4
    /// Separate runs of sequence numbers followed beyond the contiguous one; a run that does not
    /// fit is stored but not confirmed, so the vehicle sends it again.
    public static let sequenceRunsMax = 64

    /// Packets without a number that are remembered per vehicle, against repeats: what a broker
    /// delivers again after a crash is one batch, shared by the whole fleet.
    public static let recentPacketsMax = 32

    /// Messages remembered whose values are as old as their arrival: more than any broker was seen to
    /// have unacknowledged (3,782).
    public static let deliveriesMax = 4_096
    /// Days of stored readings from which trends are learnt again when a checkpoint does not read:
    /// the longest warm-up of a rule, twice.
    public static let relearningDaysMax = 30
    /// Readings that a start takes for that, over all vehicles: some ten seconds.
    public static let relearningReadingsMax = 20_000_000

    /// Vehicles known: the dense index and its state must fit the machine.
    public static let vehiclesMax = 4_000_000
    /// Dead letters kept; the oldest leave first.
    public static let deadLettersMax = 100_000
    /// Bytes of topics and payloads of dead letters kept: a broken fleet must not fill the disk.
    public static let deadLetterBytesMax = 256 * 1_024 * 1_024
    /// Days a dead letter is kept: a month to mend a catalogue.
    public static let deadLetterDaysMax = 30
    /// Dead letters taken in again by one call: one commit, so about as many as a batch.
    public static let reingestLettersMax = 500
    /// Values of one series of a rule test: a year, every five minutes.
    public static let ruleTestValuesMax = 105_120
    /// Open troubles of one vehicle: a dozen components with two each say enough.
    public static let troublesPerVehicleMax = 24
    /// Commands of advisors that may wait for the core; one more is refused as overloaded.
    public static let waitingCommandsMax = 256
    /// Slots one person keeps free at a time: a customer on the phone, and some left behind.
    public static let deskHoldsMax = 5
    /// Minutes of a slot that is kept without a word of what it is for: a working day.
    public static let deskHoldMinutesMax = 600
    /// Programs that are told of what happens.
    public static let webhooksMax = 20
    /// Rows of the history a webhook, or the event feed, looks through at a time.
    public static let eventRowsMax = 200
    /// Bytes of the name that a gateway gives itself in CloudEvents: a host, and a path.
    public static let eventSourceBytesMax = 256
    /// Seconds a program may take for an answer.
    public static let webhookSeconds = 10.0
    /// Readings in one customer's export, the newest: some 20 MB, made in seconds.
    public static let exportedReadingsMax = 200_000
    /// Days for which every free slot is listed: two weeks of a calendar.
    public static let freeSlotDaysMax = 14
    /// Days of a calendar in one answer: a month, and the week it ends in.
    public static let capacityDaysMax = 38
    /// Visits in one calendar feed.
    public static let feedVisitsMax = 2_000
    /// Open HTTP connections; more wait to be accepted.
    ///
    /// Twice the open pages of a large dealer.
    public static let connectionsMax = 512
    /// Open pages that receive live changes.
    public static let changeSubscribersMax = 256
    /// Rows of one page or one API answer.
    public static let pageRowsMax = 200
    /// Bytes of an HTTP request body: a form or a small JSON object.
    public static let requestBodyBytesMax = 16_384
    /// Bytes of an Idempotency-Key: a UUID has 36.
    public static let idempotencyKeyBytesMax = 255
    /// Bytes of one text about a customer: a name, a phone number, a note.
    public static let customerTextBytesMax = 200
    /// Vehicles, due items or visits of one customer in one request: a body's worth.
    public static let customerRowsMax = 100
    /// Names and addresses whose failed logins are counted.
    public static let loginFailuresMax = 10_000
    /// Passwords checked at once: each takes 32 MiB and a core for tenths of a second.
    public static let passwordChecksMax = 2
    /// Kilometres an odometer may say: three times the longest-lived car.
    public static let odometerKilometresMax = 5_000_000
    /// How far ahead a slot is looked for.
    public static let slotSearchDaysMax = 60
    /// Other stations asked for a slot in time when the home dealer has none.
    public static let stationsTriedMax = 5
    /// Readings drawn in one chart; more are thinned evenly.
    public static let chartReadingsMax = 2_000
}
