// SPDX-License-Identifier: Apache-2.0
// A source, a transform and a loss in C++ with sdk/cpp.hpp: objects of their own,
// options as members, values with operators, exceptions for errors.
#include <runner/sdk/cpp.hpp>

namespace {

// y = x0 - 2 x1 on a grid.
class Grid {
  public:
    explicit Grid(rn::Options o) : side(o.get<uint64_t>("side")) {
        if (side % 2)
            throw rn::Error("the side is odd", RN_E_CONFIG)
                .hint("an even number, such as 16")
                .option("side");
        all.push_back({"x", RN_F32, 1, {2}, 0, 0});
        all.push_back({"y", RN_F32, 1, {1}, 0, 0});
    }
    uint64_t count() const {
        return side * side;
    }
    const std::vector<rn_field> &fields() const {
        return all;
    }

    void read(const rn_source_call &call) const {
        const rn::Rows<float> x(call.out[0]), y(call.out[1]);
        for (uint64_t i = 0; i < call.rows; i++) {
            const float a = place(call.indices[i] / side);
            const float b = place(call.indices[i] % side);
            if (x)
                x.row(i)[0] = a, x.row(i)[1] = b;
            if (y)
                y.row(i)[0] = a - 2.0f * b;
        }
    }

  private:
    float place(uint64_t i) const {
        return static_cast<float>(i) / static_cast<float>(side) - 0.5f;
    }
    uint64_t side;
    std::vector<rn_field> all;
};

// A field moved by a number.
class Moved {
  public:
    explicit Moved(rn::Options o) : by(o.get<float>("by")) {
    }

    rn_field plan(const rn_field &in) const {
        if (in.dtype != RN_F32)
            throw rn::Error(std::string(in.name) + " is not f32", RN_E_CONFIG);
        return in;
    }
    void apply(const rn_tensor &in, const rn_tensor &out) const {
        const rn::Rows<const float> from(in);
        const rn::Rows<float> to(out);
        float *at = to.begin();
        for (const float x : from)
            *at++ = x + by;
    }

  private:
    float by;
};

// min(|prediction - target|, most)
class Clamped {
  public:
    explicit Clamped(rn::Options o) : most(o.get<double>("most")) {
    }

    void describe(rn::Build &b) const {
        if (most > 1e6)
            throw std::runtime_error("nothing would be clamped");
        const rn::Scope inside(b, "distance");
        const rn::Value x = rn::abs(b.input("prediction") - b.input("target"));
        b.output("loss", rn::minimum(x, most));
    }

  private:
    double most;
};

RN_CPP_SOURCE(grid, Grid, "acme.cpp/grid 1",
              RN_DOC("Points of a plane") RN_OUT("x f32 [N,2]") RN_OUT("y f32 [N,1]")
                  RN_OPTION("side int = 16 ; min 1 ; max 1000 | points along an axis"));
RN_CPP_TRANSFORM(moved, Moved, "acme.cpp/moved 1",
                 RN_DOC("Adds a number") RN_OPTION("of string | the field")
                     RN_OPTION("by float = 0 | the number"));
RN_CPP_LOSS(clamped, Clamped, "acme.cpp/clamped 1",
            RN_DOC("Absolute error with a limit") RN_IN("prediction float [N,...]")
                RN_IN("target float [N,...]")
                    RN_OUT("loss float [N,...] ; scope element")
                        RN_OPTION("most float = 1 ; above 0 | limit of the error"));

} // namespace

RN_PLUGIN(&grid, &moved, &clamped);
