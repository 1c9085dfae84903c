/* SPDX-License-Identifier: Apache-2.0 */
/* Components as C++ classes. Exceptions become errors with text and never cross the
 * ABI; objects are made by the host's create and deleted by its destroy; values of a
 * graph have operators; scopes close themselves. Header-only; C++17.
 *
 *     struct Clamped {
 *         double most;
 *         explicit Clamped(rn::Options o) : most(o.get<double>("most")) {}
 *         void describe(rn::Build &b) {
 *             rn::Value x = b.input("prediction") - b.input("target");
 *             b.output("loss", rn::minimum(rn::abs(x), most));
 *         }
 *     };
 *     RN_CPP_LOSS(clamped, Clamped, "acme.losses/clamped 1", RN_IN(...) ...);
 *     RN_PLUGIN(&clamped);
 *
 * There are RN_CPP_LOSS, _MODEL, _OPTIMIZER, _SOURCE and _TRANSFORM. For other kinds
 * write the table of their header, and let each member call rn::guarded. */
#ifndef RUNNER_SDK_CPP_HPP
#define RUNNER_SDK_CPP_HPP

#include <cstdint>
#include <exception>
#include <initializer_list>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <runner/runner.h>

namespace rn {

/* ------------------------------------------------------------------ errors */

/* An error with a status (RN_E_*), what to do about it, and the option at fault. */
class Error : public std::runtime_error {
  public:
    explicit Error(const std::string &message, int32_t code = RN_E_PLUGIN)
        : std::runtime_error(message), status(code) {
    }
    Error &hint(std::string text) {
        hint_text = std::move(text);
        return *this;
    }
    Error &option(std::string path) {
        where_kind = RN_WHERE_OPTION;
        where = std::move(path);
        return *this;
    }
    Error &file(std::string name, uint32_t row = 0, uint32_t col = 0) {
        where_kind = RN_WHERE_FILE;
        where = std::move(name);
        line = row;
        column = col;
        return *this;
    }

    int32_t status;
    uint32_t line = 0, column = 0, where_kind = RN_WHERE_NONE;
    std::string hint_text, where;
};

/* The error that the host filled when a call of it failed. */
inline void check(int32_t status, const rn_error &e) {
    if (status == RN_OK)
        return;
    Error x(e.message, status);
    x.hint_text = e.hint;
    x.where = e.where;
    x.where_kind = e.where_kind;
    x.line = e.line;
    x.column = e.column;
    throw x;
}

/* Calls f, which may throw; a status and *e for the host. For the body of every member
 * that the host calls. */
template <class F> int32_t guarded(rn_error *e, F &&f) noexcept {
    try {
        f();
        return RN_OK;
    } catch (const Error &x) {
        rn_fail(e, x.status, x.what(), x.hint_text.c_str(), nullptr);
        if (x.where_kind != RN_WHERE_NONE)
            rn_error_at(e, x.where_kind, x.where.c_str());
        if (e) {
            e->line = x.line;
            e->column = x.column;
        }
        return x.status;
    } catch (const std::bad_alloc &) {
        return rn_fail(e, RN_E_MEMORY, "there is not enough memory", nullptr, nullptr);
    } catch (const std::exception &x) {
        return rn_fail(e, RN_E_PLUGIN, x.what(), nullptr, nullptr);
    } catch (...) {
        return rn_fail(e, RN_E_PLUGIN, "an exception that is not a std::exception",
                       nullptr, nullptr);
    }
}

/* ----------------------------------------------------------------- options */

/* The options of a component, by path ("gamma", "layers.3.units"). An option that is
 * asked for wrongly is reported by the host itself. */
class Options {
  public:
    explicit Options(rn_host *h) : host(h) {
    }

    template <class T> T get(const std::string &path) const {
        if constexpr (std::is_same_v<T, bool>)
            return rn_get_bool(host, path.c_str()) != 0;
        else if constexpr (std::is_integral_v<T>)
            return static_cast<T>(rn_get_int(host, path.c_str()));
        else if constexpr (std::is_floating_point_v<T>)
            return static_cast<T>(rn_get_float(host, path.c_str()));
        else
            return T(rn_get_string(host, path.c_str()));
    }
    /* All items of a list. */
    template <class T> std::vector<T> list(const std::string &path) const {
        std::vector<T> out;
        for (uint32_t i = 0, n = rn_get_count(host, path.c_str()); i < n; i++)
            out.push_back(get<T>(path + "." + std::to_string(i)));
        return out;
    }
    bool has(const std::string &path) const {
        return rn_has(host, path.c_str()) != 0;
    }
    bool cancelled() const {
        return rn_cancelled(host) != 0;
    }
    void warn(const std::string &text) const {
        host->api->log(host, RN_LOG_WARNING, text.c_str());
    }

    rn_host *host; /* of the host, until the component is destroyed */
};

/* ------------------------------------------------------------------- graph */

/* A value of a graph that is being described; only while it is. Errors stick in the
 * host: operators on a value that failed give another one that failed. */
class Value {
  public:
    Value() = default;
    Value(rn_build *b, rn_value v) : build(b), id(v) {
    }
    explicit operator bool() const {
        return id != RN_NONE;
    }
    int64_t dim(int32_t axis) const {
        return rn_dim(build, id, axis);
    }
    uint32_t rank() const {
        return rn_rank(build, id);
    }

    rn_build *build = nullptr;
    rn_value id = RN_NONE;
};

/* Binary operators: each with a number on either side, too. */
#define RN_CPP_BINARY_(name, op)                                                       \
    inline Value name(Value x, Value y) {                                              \
        return Value(x.build, op(x.build, x.id, y.id));                                \
    }                                                                                  \
    inline Value name(Value x, double y) {                                             \
        return name(x, Value(x.build, rn_const(x.build, y)));                          \
    }                                                                                  \
    inline Value name(double x, Value y) {                                             \
        return name(Value(y.build, rn_const(y.build, x)), y);                          \
    }
RN_CPP_BINARY_(operator+, rn_add)
RN_CPP_BINARY_(operator-, rn_sub)
RN_CPP_BINARY_(operator*, rn_mul)
RN_CPP_BINARY_(operator/, rn_div)
RN_CPP_BINARY_(operator<, rn_lt)
RN_CPP_BINARY_(operator<=, rn_le)
RN_CPP_BINARY_(operator>, rn_gt)
RN_CPP_BINARY_(operator>=, rn_ge)
RN_CPP_BINARY_(pow, rn_pow)
RN_CPP_BINARY_(minimum, rn_minimum)
RN_CPP_BINARY_(maximum, rn_maximum)
#undef RN_CPP_BINARY_

#define RN_CPP_UNARY_(name, op)                                                        \
    inline Value name(Value x) {                                                       \
        return Value(x.build, op(x.build, x.id));                                      \
    }
RN_CPP_UNARY_(operator-, rn_neg)
RN_CPP_UNARY_(abs, rn_abs)
RN_CPP_UNARY_(exp, rn_exp)
RN_CPP_UNARY_(log, rn_log)
RN_CPP_UNARY_(sqrt, rn_sqrt)
RN_CPP_UNARY_(square, rn_square)
RN_CPP_UNARY_(tanh, rn_tanh)
RN_CPP_UNARY_(sigmoid, rn_sigmoid)
RN_CPP_UNARY_(softplus, rn_softplus)
RN_CPP_UNARY_(relu, rn_relu)
#undef RN_CPP_UNARY_

inline Value select(Value condition, Value yes, Value no) {
    return Value(yes.build, rn_select(yes.build, condition.id, yes.id, no.id));
}

/* What a component describes its graph with. */
class Build {
  public:
    explicit Build(rn_build *b) : build(b), options(b->host) {
    }

    /* False where the port is optional and not bound. */
    Value input(const std::string &port) {
        return {build, rn_input(build, port.c_str())};
    }
    void output(const std::string &port, Value v) {
        rn_output(build, port.c_str(), v.id);
    }
    Value live(const std::string &option) {
        return {build, rn_live(build, option.c_str())};
    }
    Value constant(double x) {
        return {build, rn_const(build, x)};
    }
    Value param(const std::string &name, const std::string &role,
                const std::vector<int64_t> &shape, const std::string &init) {
        return {build, rn_param(build, name.c_str(), role.c_str(),
                                static_cast<uint32_t>(shape.size()), shape.data(),
                                init.c_str())};
    }
    Value state_like(const std::string &name, Value like, double value = 0.0) {
        return {build, rn_state_like(build, name.c_str(), like.id, value)};
    }
    void assign(const std::string &name, Value v) {
        rn_assign(build, name.c_str(), v.id);
    }
    /* Any operator of ops.h, by name. */
    Value op(const std::string &name, std::initializer_list<Value> in,
             std::initializer_list<rn_attr> attrs = {}) {
        std::vector<rn_value> ids;
        for (const Value &v : in)
            ids.push_back(v.id);
        return {build,
                rn_op(build, name.c_str(), static_cast<uint32_t>(ids.size()),
                      ids.data(), static_cast<uint32_t>(attrs.size()), attrs.begin())};
    }
    bool training() {
        return rn_training(build) != 0;
    }

    rn_build *build;
    Options options;
};

/* The names of what is described while it lives are inside of `name`. */
class Scope {
  public:
    Scope(Build &b, const std::string &name) : build(b.build) {
        rn_push(build, name.c_str());
    }
    ~Scope() {
        rn_pop(build);
    }
    Scope(const Scope &) = delete;
    Scope &operator=(const Scope &) = delete;

  private:
    rn_build *build;
};

/* ----------------------------------------------------------------- tensors */

template <class T> constexpr rn_dtype dtype_of() {
    static_assert(std::is_arithmetic_v<T>, "a type of numbers");
    constexpr uint32_t code = std::is_same_v<T, bool>       ? 6u
                              : std::is_floating_point_v<T> ? 2u
                              : std::is_signed_v<T>         ? 0u
                                                            : 1u;
    return RN_DTYPE(code, static_cast<uint32_t>(8 * sizeof(T)));
}

/* Elements of a tensor of [rows, shape...], row by row; the type is checked. */
template <class T> class Rows {
  public:
    explicit Rows(const rn_tensor &t) : first(static_cast<T *>(t.data)) {
        if (t.dtype != dtype_of<std::remove_const_t<T>>())
            throw Error("a tensor of another type than is expected");
        for (uint32_t i = 1; i < t.rank; i++)
            each *= static_cast<uint64_t>(t.shape[i]);
        rows = t.rank ? static_cast<uint64_t>(t.shape[0]) : 1;
    }
    /* false: nobody wants this field. */
    explicit operator bool() const {
        return first != nullptr;
    }
    T *row(uint64_t i) const {
        return first + i * each;
    }
    T *begin() const {
        return first;
    }
    T *end() const {
        return first + rows * each;
    }

    uint64_t rows = 0, each = 1;

  private:
    T *first;
};

/* -------------------------------------------------------------- components */

/* create and destroy of T(Options). */
template <class T> int32_t create(rn_host *h, void **self, rn_error *e) {
    *self = nullptr;
    return guarded(e, [&] { *self = new T(Options(h)); });
}
template <class T> void destroy(void *self) {
    delete static_cast<T *>(self);
}

/* describe of T, for every kind that describes. */
template <class T> int32_t describe(rn_build *b) {
    rn_error e = {};
    int32_t status = guarded(&e, [&] {
        Build build(b);
        static_cast<T *>(b->self)->describe(build);
    });
    if (status != RN_OK)
        b->api->fail(b, e.message, e.hint, e.where[0] ? e.where : nullptr);
    return status;
}

/* T: T(Options); void describe(Build &). Kind: rn_loss, rn_model, rn_optimizer. */
template <class T, class Kind> constexpr Kind describing() {
    Kind k = {};
    k.struct_size = sizeof(Kind);
    k.create = create<T>;
    k.destroy = destroy<T>;
    k.describe = describe<T>;
    return k;
}

/* T: T(Options); uint64_t count(); const std::vector<rn_field> &fields(), the same for
 * as long as it lives; void read(const rn_source_call &), on several threads at once.
 */
template <class T> constexpr rn_source source() {
    rn_source k = {};
    k.struct_size = sizeof k;
    k.create = create<T>;
    k.destroy = destroy<T>;
    k.info = [](void *self, rn_source_info *out, rn_error *e) -> int32_t {
        return guarded(e, [&] {
            const std::vector<rn_field> &fields = static_cast<T *>(self)->fields();
            out->count = static_cast<T *>(self)->count();
            out->fields = fields.data();
            out->field_count = static_cast<uint32_t>(fields.size());
            out->field_stride = sizeof(rn_field);
        });
    };
    k.read = [](void *self, const rn_source_call *call, rn_error *e) -> int32_t {
        return guarded(e, [&] { static_cast<T *>(self)->read(*call); });
    };
    return k;
}

/* T: T(Options); rn_field plan(const rn_field &in), what becomes of each field of the
 * option `of`; void apply(const rn_tensor &in, const rn_tensor &out), on several
 * threads at once. A transform that is fitted writes its own table. */
template <class T> constexpr rn_transform transform() {
    rn_transform k = {};
    k.struct_size = sizeof k;
    k.create = create<T>;
    k.destroy = destroy<T>;
    k.plan = [](void *self, rn_transform_plan *p, rn_error *e) -> int32_t {
        return guarded(e, [&] {
            if (p->in_count > p->out_room)
                throw Error("too many fields");
            for (uint32_t i = 0; i < p->in_count; i++) {
                size_t at = static_cast<size_t>(i) * p->field_stride;
                rn_field in = *reinterpret_cast<const rn_field *>(
                    reinterpret_cast<const char *>(p->in) + at);
                *reinterpret_cast<rn_field *>(reinterpret_cast<char *>(p->out) + at) =
                    static_cast<T *>(self)->plan(in);
            }
            p->out_count = p->in_count;
        });
    };
    k.apply = [](void *self, const rn_transform_call *c, rn_error *e) -> int32_t {
        return guarded(e, [&] {
            for (uint32_t i = 0; i < c->in_count; i++)
                static_cast<T *>(self)->apply(c->in[i], c->out[i]);
        });
    };
    return k;
}

} // namespace rn

/* id: for RN_PLUGIN; head: "vendor.package/name BEHAVIOUR"; body: RN_DOC, RN_IN, ... */
#define RN_CPP_(kind, id, table, head, body)                                           \
    static constexpr auto id##_iface = table;                                          \
    RN_COMPONENT(id, id##_iface, kind " " head, body)
#define RN_CPP_LOSS(id, T, head, body)                                                 \
    RN_CPP_("loss", id, (rn::describing<T, rn_loss>()), head, body)
#define RN_CPP_MODEL(id, T, head, body)                                                \
    RN_CPP_("model", id, (rn::describing<T, rn_model>()), head, body)
#define RN_CPP_OPTIMIZER(id, T, head, body)                                            \
    RN_CPP_("optimizer", id, (rn::describing<T, rn_optimizer>()), head, body)
#define RN_CPP_SOURCE(id, T, head, body)                                               \
    RN_CPP_("source", id, rn::source<T>(), head, body)
#define RN_CPP_TRANSFORM(id, T, head, body)                                            \
    RN_CPP_("transform", id, rn::transform<T>(), head, body)

#endif
