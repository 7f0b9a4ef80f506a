// Floors: what bare C does with the same libraries, to stand beside the gateway's figures.
//
//   cc -O2 -Wall -Wextra -o floor floor.c -lsqlite3 -lmosquitto
//
//   floor sqlite-insert N BATCH [FOLDER]           rows appended to a new database, BATCH a commit
//   floor memcpy FILE                              FILE copied within memory
//   floor mqtt-sink HOST PORT TOPIC COUNT QOS      takes COUNT messages and does nothing with them
//   floor mqtt-flood HOST PORT VEHICLES COUNT READINGS WINDOW [--rate R]
//                                                  sends COUNT packets of vehicles; with --rate at
//                                                  R/s, whether the broker keeps up or not
//
// Each prints one JSON object. The sink says "subscribed" on standard error when it is ready.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    ROWS_MAX = 1000000000,
    VEHICLES_MAX = 1000000,
    MESSAGES_MAX = 1000000000,
    // Packet ids of MQTT are 16 bits.
    WINDOW_MAX = 65535,
    RATE_MAX = 10000000,
    // As the gateway announces it.
    RECEIVE_MAXIMUM = 1000,
    KEEPALIVE_S = 60,
    // How long the loops wait before they look at the keepalive.
    IDLE_MS = 100,
    // A sink that hears nothing for this long has missed something.
    SILENCE_S = 30,
    PAYLOAD_BYTES_MAX = 8192,
    // Copies of a file that are timed, at least, and for how long.
    COPIES_MIN = 3,
    COPY_SECONDS_MIN = 1,
};

// Spread of the rows: a fleet of this size with eight signals each.
enum { ROW_VEHICLES = 10000, ROW_SIGNALS = 8 };

// MARK: Common

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fputs("floor: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    exit(1);
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static double seconds_since(int64_t begun, clockid_t clock)
{
    return (double)(clock_ns(clock) - begun) / 1e9;
}

static long number(const char *text, const char *name, long smallest, long largest)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || *end || end == text || value < smallest || value > largest)
        fail("%s must be %ld to %ld, not '%s'", name, smallest, largest, text);
    return value;
}

static void check(int code, const char *what)
{
    if (code != MOSQ_ERR_SUCCESS) fail("%s: %s", what, mosquitto_strerror(code));
}

// MARK: SQLite

static void check_sqlite(sqlite3 *database, int code)
{
    if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW)
        fail("SQLite: %s", sqlite3_errmsg(database));
}

static void run_sql(sqlite3 *database, const char *sql)
{
    check_sqlite(database, sqlite3_exec(database, sql, NULL, NULL, NULL));
}

// Bytes this process has caused to be written to disk; 0 where the kernel does not say.
static long long written_bytes(void)
{
    FILE *file = fopen("/proc/self/io", "r");
    char line[128];
    long long bytes = 0;
    while (file && fgets(line, sizeof line, file)) sscanf(line, "write_bytes: %lld", &bytes);
    if (file) fclose(file);
    return bytes;
}

static int sqlite_insert(int count, char **words)
{
    if (count < 2 || count > 3) return 2;
    long rows = number(words[0], "N", 1, ROWS_MAX), batch = number(words[1], "BATCH", 1, ROWS_MAX);
    char folder[4096], path[4200];
    int length = snprintf(folder, sizeof folder, "%s/floor-XXXXXX", count > 2 ? words[2] : ".");
    if (length >= (int)sizeof folder || !mkdtemp(folder)) fail("no folder %s", folder);
    snprintf(path, sizeof path, "%s/rows.sqlite", folder);

    sqlite3 *database;
    sqlite3_stmt *insert;
    if (sqlite3_open(path, &database) != SQLITE_OK) fail("SQLite: %s", sqlite3_errmsg(database));
    run_sql(database, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                      "CREATE TABLE reading (vehicle INTEGER NOT NULL, signal INTEGER NOT NULL,"
                      " ts INTEGER NOT NULL, value REAL NOT NULL)");
    const char *sql = "INSERT INTO reading VALUES (?, ?, ?, ?)";
    check_sqlite(database, sqlite3_prepare_v2(database, sql, -1, &insert, NULL));

    int64_t begun = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    long long written = written_bytes();
    const int64_t first_ms = INT64_C(1790000000000);
    for (long row = 0; row < rows; row++) {
        if (row % batch == 0) run_sql(database, row == 0 ? "BEGIN" : "COMMIT; BEGIN");
        sqlite3_bind_int64(insert, 1, row / ROW_SIGNALS % ROW_VEHICLES);
        sqlite3_bind_int64(insert, 2, row % ROW_SIGNALS);
        sqlite3_bind_int64(insert, 3, first_ms + row / ROW_SIGNALS);
        sqlite3_bind_double(insert, 4, 230.0 + (double)(row * 7919 % 1000) / 10.0);
        check_sqlite(database, sqlite3_step(insert));
        sqlite3_reset(insert);
    }
    run_sql(database, "COMMIT");
    double seconds = seconds_since(begun, CLOCK_MONOTONIC);
    double cpu_seconds = seconds_since(cpu, CLOCK_PROCESS_CPUTIME_ID);
    written = written_bytes() - written;
    sqlite3_finalize(insert);
    // Closing moves the log into the file.
    check_sqlite(database, sqlite3_close(database));
    struct stat status;
    if (stat(path, &status) != 0) fail("%s is gone", path);
    unlink(path);
    rmdir(folder);
    printf("{\"readings\":%ld,\"batch\":%ld,\"seconds\":%.6f,\"cpu_seconds\":%.6f,"
           "\"readings_per_second\":%.0f,\"bytes_written\":%lld,\"file_bytes\":%lld}\n",
           rows, batch, seconds, cpu_seconds, (double)rows / seconds, written,
           (long long)status.st_size);
    return 0;
}

// MARK: memcpy

static int copy_file(int count, char **words)
{
    if (count != 1) return 2;
    int fd = open(words[0], O_RDONLY);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) fail("%s: %s", words[0], strerror(errno));
    size_t size = (size_t)status.st_size;
    char *from = malloc(size + 1), *to = malloc(size + 1);
    if (size == 0 || !from || !to) fail("%s: empty, or no memory for it", words[0]);
    for (size_t done = 0; done < size;) {
        ssize_t got = read(fd, from + done, size - done);
        if (got <= 0) fail("%s: %s", words[0], strerror(errno));
        done += (size_t)got;
    }
    close(fd);
    memcpy(to, from, size); // the first copy pays for the pages
    int64_t begun = clock_ns(CLOCK_MONOTONIC);
    long copies = 0;
    unsigned sum = 0;
    double seconds = 0;
    while (copies < COPIES_MIN || seconds < COPY_SECONDS_MIN) {
        memcpy(to, from, size);
        // Looked at, so that no copy is left out.
        sum += (unsigned char)to[(size_t)copies * 4099 % size];
        __asm__ volatile("" : : "r"(to) : "memory");
        copies++;
        seconds = seconds_since(begun, CLOCK_MONOTONIC);
    }
    printf("{\"bytes\":%zu,\"copies\":%ld,\"seconds\":%.6f,\"gigabytes_per_second\":%.3f,"
           "\"checksum\":%u}\n",
           size, copies, seconds, (double)size * (double)copies / seconds / 1e9, sum);
    free(from);
    free(to);
    return 0;
}

// MARK: MQTT

// Callbacks so far: how the loop knows that a read brought something.
static long events;

// Waits for the socket at most `timeout_ns`, reads and writes what is due.
static void turn(struct mosquitto *client, int64_t timeout_ns)
{
    struct pollfd entry = {.fd = mosquitto_socket(client), .events = POLLIN};
    if (entry.fd < 0) fail("the connection is lost");
    if (mosquitto_want_write(client)) entry.events |= POLLOUT;
    struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    ppoll(&entry, 1, &timeout, NULL);
    if (entry.revents & (POLLIN | POLLHUP | POLLERR)) {
        // libmosquitto reads one packet a call, and may leave EAGAIN behind after a good read.
        long before;
        do {
            before = events;
            errno = 0;
            check(mosquitto_loop_read(client, 1), "read");
        } while (events != before || errno != EAGAIN);
    }
    while (mosquitto_want_write(client)) {
        check(mosquitto_loop_write(client, 1), "write");
        struct pollfd room = {.fd = entry.fd, .events = POLLOUT};
        if (mosquitto_want_write(client) && poll(&room, 1, 0) <= 0) break;
    }
    check(mosquitto_loop_misc(client), "keepalive");
}

struct sink {
    long messages, count;
    int64_t first_ns, first_cpu_ns, last_ns;
    const char *topic;
    int qos;
};

static void sink_connected(struct mosquitto *client, void *context, int code)
{
    struct sink *sink = context;
    events++;
    if (code != 0) fail("the broker refuses: %s", mosquitto_reason_string(code));
    check(mosquitto_subscribe(client, NULL, sink->topic, sink->qos), "subscribe");
}

static void sink_subscribed(
    struct mosquitto *client, void *context, int id, int count, const int *granted)
{
    (void)client, (void)context, (void)id, (void)count;
    if (granted[0] > 2) fail("the broker refuses the subscription");
    events++;
    fputs("subscribed\n", stderr);
}

static void sink_message(
    struct mosquitto *client, void *context, const struct mosquitto_message *message)
{
    (void)client, (void)message;
    struct sink *sink = context;
    events++;
    if (sink->messages++ == 0) {
        sink->first_ns = clock_ns(CLOCK_MONOTONIC);
        sink->first_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    }
}

static int mqtt_sink(int count, char **words)
{
    if (count != 5) return 2;
    struct sink sink = {
        .topic = words[2],
        .count = number(words[3], "COUNT", 2, MESSAGES_MAX),
        .qos = (int)number(words[4], "QOS", 0, 2),
    };
    mosquitto_lib_init();
    struct mosquitto *client = mosquitto_new(NULL, true, &sink);
    if (!client) fail("no MQTT client");
    mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    mosquitto_int_option(client, MOSQ_OPT_RECEIVE_MAXIMUM, RECEIVE_MAXIMUM);
    // Acknowledgements are gathered and written once a turn, as the gateway does.
    mosquitto_threaded_set(client, true);
    mosquitto_connect_callback_set(client, sink_connected);
    mosquitto_subscribe_callback_set(client, sink_subscribed);
    mosquitto_message_callback_set(client, sink_message);
    int port = (int)number(words[1], "PORT", 1, 65535);
    check(mosquitto_connect(client, words[0], port, KEEPALIVE_S), words[0]);
    int64_t heard_ns = clock_ns(CLOCK_MONOTONIC);
    while (sink.messages < sink.count) {
        long before = sink.messages;
        turn(client, IDLE_MS * INT64_C(1000000));
        if (sink.messages > before || !sink.messages) heard_ns = clock_ns(CLOCK_MONOTONIC);
        if (seconds_since(heard_ns, CLOCK_MONOTONIC) > SILENCE_S)
            fail("only %ld of %ld messages came", sink.messages, sink.count);
    }
    double seconds = seconds_since(sink.first_ns, CLOCK_MONOTONIC);
    double cpu = seconds_since(sink.first_cpu_ns, CLOCK_PROCESS_CPUTIME_ID);
    printf("{\"messages\":%ld,\"seconds\":%.6f,\"messages_per_second\":%.0f,"
           "\"cpu_us_per_message\":%.3f}\n",
           sink.messages, seconds, (double)sink.messages / seconds,
           cpu * 1e6 / (double)sink.messages);
    mosquitto_disconnect(client);
    mosquitto_loop_write(client, 1);
    mosquitto_destroy(client);
    return 0;
}

// Signals of config/catalogue, each with a healthy value and how far it varies.
static const struct {
    const char *path;
    double value, spread;
} signals[] = {
    {"Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Pressure", 240, 8},
    {"Vehicle.Chassis.Axle.Row1.Wheel.Right.Tire.Pressure", 241, 8},
    {"Vehicle.Chassis.Axle.Row2.Wheel.Left.Tire.Pressure", 242, 8},
    {"Vehicle.Chassis.Axle.Row2.Wheel.Right.Tire.Pressure", 243, 8},
    {"Vehicle.LowVoltageBattery.CurrentVoltage", 12.6, 0.3},
    {"Vehicle.Powertrain.CombustionEngine.EngineCoolant.Temperature", 88, 6},
    {"Vehicle.Speed", 50, 40},
    {"Vehicle.Exterior.AirTemperature", 15, 9},
    {"Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.AirTemperature", 25, 9},
    {"Vehicle.Chassis.Axle.Row1.Wheel.Right.Tire.AirTemperature", 25, 9},
    {"Vehicle.Chassis.Axle.Row2.Wheel.Left.Tire.AirTemperature", 25, 9},
    {"Vehicle.Chassis.Axle.Row2.Wheel.Right.Tire.AirTemperature", 25, 9},
    {"Vehicle.Powertrain.CombustionEngine.EngineOil.Temperature", 95, 9},
    {"Vehicle.Powertrain.CombustionEngine.Speed", 2000, 900},
    {"Vehicle.Powertrain.FuelSystem.RelativeLevel", 60, 30},
    {"Vehicle.LowVoltageBattery.CurrentCurrent", 4, 3},
};
enum { SIGNALS = sizeof signals / sizeof signals[0] };

struct flood {
    long outstanding, acknowledged;
    bool is_connected;
};

static void flood_connected(struct mosquitto *client, void *context, int code)
{
    (void)client;
    events++;
    if (code != 0) fail("the broker refuses: %s", mosquitto_connack_string(code));
    ((struct flood *)context)->is_connected = true;
}

static void flood_acknowledged(struct mosquitto *client, void *context, int id)
{
    (void)client, (void)id;
    struct flood *flood = context;
    events++;
    flood->outstanding--;
    flood->acknowledged++;
}

// A packet in README's native format. `due_ns` is the time at which it should have been sent,
// since 1970, so that a latency counted from it includes every delay of ours; the gateway skips it.
static int encode(
    char *payload, const char *boot, long sequence, int readings, int64_t time_ms, int64_t due_ns)
{
    time_t second = time_ms / 1000;
    struct tm parts;
    char stamp[32];
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", gmtime_r(&second, &parts));
    int length = snprintf(payload, PAYLOAD_BYTES_MAX,
        "{\"v\":1,\"boot\":\"%s\",\"seq\":%ld,\"ts\":\"%s.%03dZ\",\"due_ns\":%019" PRId64
        ",\"readings\":{",
        boot, sequence, stamp, (int)(time_ms % 1000), due_ns);
    for (int index = 0; index < readings; index++) {
        // A cheap, repeatable scatter between -1 and 1 in steps of 1/500.
        double scatter = (double)((sequence * 7919 + index * 104729) % 1000 - 500) / 500;
        length += snprintf(payload + length, (size_t)(PAYLOAD_BYTES_MAX - length), "%s\"%s\":%.2f",
            index ? "," : "", signals[index].path,
            signals[index].value + signals[index].spread * scatter);
    }
    length += snprintf(payload + length, (size_t)(PAYLOAD_BYTES_MAX - length), "}}");
    if (length >= PAYLOAD_BYTES_MAX) fail("a packet is too long");
    return length;
}

static int mqtt_flood(int count, char **words)
{
    bool is_paced = count == 8 && strcmp(words[6], "--rate") == 0;
    if (count != 6 && !is_paced) return 2;
    int port = (int)number(words[1], "PORT", 1, 65535);
    long vehicles = number(words[2], "VEHICLES", 1, VEHICLES_MAX);
    long messages = number(words[3], "COUNT", 1, MESSAGES_MAX);
    int readings = (int)number(words[4], "READINGS", 1, SIGNALS);
    long window = number(words[5], "WINDOW", 1, WINDOW_MAX);
    int64_t interval_ns = is_paced ? 1000000000 / number(words[7], "R", 1, RATE_MAX) : 0;

    struct flood flood = {0};
    mosquitto_lib_init();
    struct mosquitto *client = mosquitto_new(NULL, true, &flood);
    if (!client) fail("no MQTT client");
    mosquitto_max_inflight_messages_set(client, (unsigned)window);
    mosquitto_connect_callback_set(client, flood_connected);
    mosquitto_publish_callback_set(client, flood_acknowledged);
    check(mosquitto_connect(client, words[0], port, KEEPALIVE_S), words[0]);
    while (!flood.is_connected) turn(client, IDLE_MS * INT64_C(1000000));

    // Another boot every time, or the gateway takes the numbers for repeats.
    char boot[32], topic[64], payload[PAYLOAD_BYTES_MAX];
    int64_t begun_at = clock_ns(CLOCK_REALTIME);
    snprintf(boot, sizeof boot, "flood-%" PRId64, begun_at / 1000000);
    int64_t begun = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    int64_t latest_ns = 0;
    // A vehicle's times differ, however fast it sends: no reading repeats another.
    int64_t *last_ms = calloc((size_t)vehicles, sizeof *last_ms);
    if (!last_ms) fail("no memory for %ld vehicles", vehicles);
    long sent = 0;
    while (flood.acknowledged < messages) {
        int64_t elapsed = clock_ns(CLOCK_MONOTONIC) - begun;
        while (sent < messages && flood.outstanding < window && sent * interval_ns <= elapsed) {
            int64_t due = is_paced ? sent * interval_ns : elapsed;
            if (elapsed - due > latest_ns) latest_ns = elapsed - due;
            long vehicle = sent % vehicles, sequence = sent / vehicles + 1;
            int64_t time_ms = (begun_at + due) / 1000000;
            if (time_ms <= last_ms[vehicle]) time_ms = last_ms[vehicle] + 1;
            last_ms[vehicle] = time_ms;
            snprintf(topic, sizeof topic, "vehicles/flood-%ld/telemetry", vehicle);
            int length = encode(payload, boot, sequence, readings, time_ms, begun_at + due);
            check(mosquitto_publish(client, NULL, topic, length, payload, 1, false), "publish");
            flood.outstanding++;
            sent++;
            elapsed = clock_ns(CLOCK_MONOTONIC) - begun;
        }
        bool is_waiting_for_time = is_paced && sent < messages && flood.outstanding < window;
        int64_t wait_ns = is_waiting_for_time ? sent * interval_ns - elapsed
                                              : IDLE_MS * INT64_C(1000000);
        turn(client, wait_ns > 0 ? wait_ns : 0);
    }
    double seconds = seconds_since(begun, CLOCK_MONOTONIC);
    double cpu_seconds = seconds_since(cpu, CLOCK_PROCESS_CPUTIME_ID);
    printf("{\"messages\":%ld,\"readings\":%ld,\"seconds\":%.6f,\"messages_per_second\":%.0f,"
           "\"readings_per_second\":%.0f,\"cpu_us_per_message\":%.3f,\"latest_ms\":%.3f,"
           "\"boot\":\"%s\"}\n",
           messages, messages * readings, seconds, (double)messages / seconds,
           (double)messages * readings / seconds, cpu_seconds * 1e6 / (double)messages,
           (double)latest_ns / 1e6, boot);
    free(last_ms);
    mosquitto_disconnect(client);
    mosquitto_destroy(client);
    return 0;
}

// MARK: Entry

int main(int count, char **words)
{
    static const struct {
        const char *name;
        int (*run)(int, char **);
        const char *usage;
    } commands[] = {
        {"sqlite-insert", sqlite_insert, "N BATCH [FOLDER]"},
        {"memcpy", copy_file, "FILE"},
        {"mqtt-sink", mqtt_sink, "HOST PORT TOPIC COUNT QOS"},
        {"mqtt-flood", mqtt_flood, "HOST PORT VEHICLES COUNT READINGS WINDOW [--rate R]"},
    };
    for (size_t index = 0; index < sizeof commands / sizeof commands[0]; index++) {
        if (count < 2 || strcmp(words[1], commands[index].name) != 0) continue;
        int code = commands[index].run(count - 2, words + 2);
        if (code == 2) fprintf(stderr, "usage: floor %s %s\n", words[1], commands[index].usage);
        return code;
    }
    for (size_t index = 0; index < sizeof commands / sizeof commands[0]; index++)
        fprintf(stderr, "usage: floor %s %s\n", commands[index].name, commands[index].usage);
    return 2;
}
