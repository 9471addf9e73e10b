"""The scripts of bench/gpu that need no GPU, on short made-up text: kernels.py and model.py."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "bench/gpu"
sys.path.insert(0, str(SCRIPTS))

import kernels  # noqa: E402
import model  # noqa: E402
import sass  # noqa: E402

RESOURCES = """
Resource usage:
 Common:
  GLOBAL:0
 Function _Zfirst:
  REG:40 STACK:16 SHARED:1152 LOCAL:8 CONSTANT[0]:585 TEXTURE:0 SURFACE:0 SAMPLER:0
 Function _Zsecond:
  REG:32 STACK:0 SHARED:0 LOCAL:0 CONSTANT[0]:544 TEXTURE:0 SURFACE:0 SAMPLER:0
"""

# Loads of 16 bytes: two before the first use, then three, of which one is behind a branch that is not always taken; an
# unconditional jump ends what is counted together. HFMA2.MMA is no matrix product.
SASS = """
	code for sm_90a
		Function : _Zfirst
	.headerflags	@"EF_CUDA_SM90"
        /*0000*/                   LDC R1, c[0x0][0x28] ;             /* 0x00000a00ff017b82 */
                                                                      /* 0x000fe20000000f00 */
        /*0010*/                   LDG.E.NA.128.CONSTANT R4, desc[UR4][R2.64] ;  /* 0x0000 */
        /*0020*/                   LDG.E.128 R8, desc[UR4][R2.64+0x10] ;  /* 0x0000 */
        /*0030*/                   IMAD.MOV.U32 R20, RZ, RZ, R10 ;    /* 0x0000 */
        /*0040*/                   LDG.E.128 R24, desc[UR4][R2.64] ;  /* 0x0000 */
        /*0050*/              @!P0 BRA 0x80 ;                         /* 0x0000 */
        /*0060*/               @P1 LDG.E.128 R28, desc[UR4][R2.64] ;  /* 0x0000 */
        /*0070*/                   LDG.E.128 R32, desc[UR4][R2.64] ;  /* 0x0000 */
        /*0080*/                   STG.E.128 desc[UR4][R6.64], R28 ;  /* 0x0000 */
        /*0090*/                   LDG.E.128 R36, desc[UR4][R2.64] ;  /* 0x0000 */
        /*00a0*/                   BRA 0xd0 ;                         /* 0x0000 */
        /*00b0*/                   LDG.E.128 R40, desc[UR4][R2.64] ;  /* 0x0000 */
        /*00c0*/                   LDG.E.64 R44, desc[UR4][R2.64] ;   /* 0x0000 */
        /*00d0*/                   LDGSTS.E.BYPASS.128 [R15], desc[UR6][R2.64] ;  /* 0x0000 */
        /*00e0*/                   LDGSTS.E [R15+0x200], desc[UR6][R2.64] ;  /* 0x0000 */
        /*00f0*/                   HMMA.16816.F32.BF16 R16, R4, R4, RZ ;  /* 0x0000 */
        /*0100*/                   HFMA2.MMA R9, -RZ, RZ, 1.875, 0 ;  /* 0x0000 */
        /*0110*/                   STL.128 [R1+0x10], R16 ;           /* 0x0000 */
        /*0120*/                   CCTL.E.PF2 [R2] ;                  /* 0x0000 */
        /*0130*/                   UBLKPF.L2 [UR4], UR8 ;             /* 0x0000 */
        /*0140*/                   CCTL.IVALL ;                       /* 0x0000 */
        /*0150*/                   EXIT ;                             /* 0x0000 */
		..........

		Function : _Zsecond
        /*0000*/                   EXIT ;                             /* 0x0000 */
"""


def report(kernel: str, call: str, **more: object) -> list[dict]:
    row = {"kernel": kernel, "block": 256, "dynamic_shared": 4096, "efficiency": 1.0, "shared_requests": 10,
           "bank_conflicts": 5, "bytes": 1000, "programmatic": True, "grid": [1, 8, 1]} | more
    return [{"op": call.split("(")[0], "call": call, "kernels": [row]}]


class Sass(unittest.TestCase):
    def test_loads_that_are_waited_for_before_the_next_kernel_may_start(self) -> None:
        text = """
		Function : _Zkernel
        /*0000*/                   LDG.E.NA.128.CONSTANT R4, desc[UR6][R2.64] ;
        /*0010*/               @P0 LDG.E.NA.128.CONSTANT R8, desc[UR6][R2.64+0x200] ;
        /*0020*/                   MOV R20, R{first} ;
        /*0030*/                   PREEXIT ;
        /*0040*/                   HMMA.16816.F32.BF16 R24, R28, R8, R24 ;
        /*0050*/                   EXIT ;
"""
        for first, eager in ((5, 1), (30, 0)):
            found = sass.parse_sass(text.replace("{first}", str(first)).splitlines())["_Zkernel"]
            self.assertEqual((found.eager, found.allows_next), (eager, True))

    def test_copies_before_the_wait_for_the_kernel_in_front(self) -> None:
        text = """
		Function : _Zkernel
        /*0000*/                   LDGSTS.E.BYPASS.128 [R5], desc[UR6][R2.64] ;
        /*0010*/                   ACQBULK ;
        /*0020*/                   LDGSTS.E.BYPASS.128 [R5+0x200], desc[UR6][R2.64] ;
        /*0030*/                   EXIT ;
"""
        found = sass.parse_sass(text.splitlines())["_Zkernel"]
        self.assertEqual((found.copies, found.early_copies), (2, 1))

    def test_products_of_four_warps_and_registers_that_groups_trade(self) -> None:
        text = """
		Function : _Zkernel
        /*0000*/                   USETMAXREG.DEALLOC.CTAPOOL 0x38 ;
        /*0010*/                   HGMMA.64x96x16.F32.BF16 R24, R4, gdesc[UR4], R24, gsb0 ;
        /*0020*/                   WARPGROUP.DEPBAR.LE gsb0, 0x1 ;
        /*0030*/                   MUFU.EX2 R8, R9 ;
        /*0040*/                   WARPGROUP.DEPBAR.LE gsb0, 0x0 ;
        /*0050*/                   MUFU.EX2 R8, R9 ;
        /*0060*/                   HMMA.16816.F32.BF16 R24, R28, R8, R24 ;
        /*0070*/                   EXIT ;
"""
        found = sass.parse_sass(text.splitlines())["_Zkernel"]
        self.assertEqual((found.tensor_core, found.by_groups, found.overlapped, found.resizes), (2, 1, 1, 1))

    def test_resources_without_the_kilobyte_that_the_system_keeps(self) -> None:
        found = sass.parse_resources(RESOURCES)
        self.assertEqual(found["_Zfirst"], sass.Resources(registers=40, stack=16, static_shared=128, local=8))
        self.assertEqual(found["_Zsecond"].static_shared, 0)

    def test_instructions(self) -> None:
        found = sass.parse_sass(SASS.splitlines())
        first = found["_Zfirst"]
        self.assertEqual((first.loads, first.copies, first.tensor_core, first.local, first.prefetches), (7, 1, 1, 1, 2))
        self.assertEqual(first.in_flight, 3)
        self.assertEqual(found["_Zsecond"].loads, 0)
        self.assertEqual(list(sass.parse_sass(SASS.splitlines(), {"_Zsecond"})), ["_Zsecond"])

    def test_names(self) -> None:
        for long, short in (
            ("vitro::cuda::(anonymous namespace)::rms_norm_kernel(vitro::cuda::Elements, int)", "rms_norm_kernel"),
            ("void vitro::cuda::resident_product_kernel<__nv_bfloat16, __nv_fp8_e4m3, 1, true, vitro::cuda::(anonymous "
             "namespace)::LinearEpilogue>(vitro::cuda::Product, vitro::cuda::(anonymous namespace)::LinearEpilogue)",
             "resident_product_kernel<bf16, f8e4m3, 1, true, LinearEpilogue>"),
        ):
            self.assertEqual(sass.short_name(long), short)


class Kernels(unittest.TestCase):
    def test_occupancy(self) -> None:
        # By hand: 64 registers a thread are 2048 a warp, of which each of four partitions has room for 8.
        self.assertEqual(kernels.resident_blocks(64, 256, 0), (4, "registers"))
        self.assertEqual(kernels.resident_blocks(32, 1024, 0), (2, "threads"))
        self.assertEqual(kernels.resident_blocks(32, 32, 0), (32, "blocks"))
        # 65 registers round up to 72: 16384 / 2304 is 7 warps a partition, 28 in all.
        self.assertEqual(kernels.resident_blocks(65, 128, 0), (7, "registers"))
        # 227 KB is one block's most; a block of 75 KB takes 76.
        self.assertEqual(kernels.resident_blocks(32, 128, 227 * 1024), (1, "shared memory"))
        self.assertEqual(kernels.resident_blocks(32, 128, 75 * 1024), (3, "shared memory"))
        self.assertEqual(kernels.resident_blocks(32, 128, 76 * 1024), (2, "shared memory"))

    def test_a_product_has_the_launches_of_its_tokens_and_norm(self) -> None:
        calls = (report("linear", "linear(bf16 [T, 3072], bf16 [256, 3072], norm_weight = bf16 [3072]) R=1 S=1 T=8") +
                 report("linear", "linear(bf16 [R, 3072], bf16 [256, 3072], norm_weight = bf16 [3072]) R=1 S=1 T=64") +
                 report("linear", "linear(bf16 [T, 3072], bf16 [256, 3072], norm_weight = bf16 [3072]) R=16 S=16 T=16", block=128) +
                 report("linear", "linear(bf16 [T, 3072], bf16 [256, 3072], norm_weight = bf16 [3072]) R=1 S=1 T=32", block=96) +
                 report("linear", "linear(bf16 [T, 3072], bf16 [256, 3072], residual = bf16 [T, 256]) R=1 S=1 T=4", block=64) +
                 report("qkv_projection", "qkv_projection(bf16 [T, 3072], norm_weight = bf16 [3072]) R=1 S=1 T=4", block=32))

        def launches(instance: str) -> list[tuple[str, int]]:
            name = f"{instance.split(maxsplit=1)[0]}_product_kernel<bf16, bf16, {instance.split(maxsplit=1)[1]}>"
            return [(launch.tokens, launch.threads) for launch in kernels.launches_of(name, calls)]

        self.assertEqual(launches("resident 1, true, LinearEpilogue"), [("1, 8", 256)])
        self.assertEqual(launches("resident 2, true, LinearEpilogue"), [("16", 128)])
        self.assertEqual(launches("resident 1, false, LinearEpilogue"), [("4", 64)])
        self.assertEqual(launches("tile 4, true, LinearEpilogue"), [("32", 96)])
        self.assertEqual(launches("tile 8, true, LinearEpilogue"), [])
        self.assertEqual(launches("resident 1, true, QkvEpilogue"), [("4", 32)])

    def test_a_row(self) -> None:
        found = kernels.Kernel("sample_kernel", sass.parse_resources(RESOURCES)["_Zfirst"],
                               sass.parse_sass(SASS.splitlines())["_Zfirst"])
        text = kernels.markdown([found], report("sample", "sample(f32 [R, 9]) R=2 S=2 T=2"))
        self.assertIn("| `sample_kernel` | 40 | 2 | 256 | 128 + 4096 | 75% (6 × 8 warps, registers) | 100% | 0.50 | "
                      "24 | 1 | 7 | 1 | 3 | 1 | 2 |", text)
        self.assertIn("| `sample_kernel` | 40 |  |  | 128 |  |", kernels.markdown([found], []))

    def test_errors(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            bad = Path(folder) / "report.json"
            wrong = json.dumps([{"op": "add", "call": "add()", "kernels": [{"kernel": "add"}]}])
            for text in ("no json", "[1]", wrong):
                bad.write_text(text)
                done = subprocess.run([sys.executable, SCRIPTS / "kernels.py", bad, "--report", bad],
                                      capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertIn("error: ", done.stderr)
                self.assertIn("vitro ops --cuda-report --json", done.stderr)


class Model(unittest.TestCase):
    machine = model.Machine(bandwidth=1e12, peak=1e15, gemm_share=0.5, attention_share=0.25, latency=4e-6, hidden=0.5,
                            block_bandwidth=1e9)

    def kinds(self, op: str, rows: int, weight: list[int], attributes: dict, moved: int,
              given: tuple[str, ...] = ()) -> dict[str, model.Kind]:
        node = {"op": op, "inputs": ["x", "w", *given], "input_names": ["x", "weight", *given], "outputs": ["y"],
                "attributes": attributes, "bytes": moved, "flops": 8}
        shapes = {"x": ["T", weight[1]], "w": weight, "y": ["T", weight[0]]}
        found = model.kinds_of(node, {"symbols": {"T": rows}}, shapes, report("linear", "linear()"), self.machine)
        return {kind.name: kind for kind in found}

    def test_the_longer_of_bytes_and_operations_and_a_latency(self) -> None:
        for moved, flops, work, bound in ((9_000_000, 1_000_000_000, 9e-6, "bytes"),
                                          (9_000_000, 5_000_000_000, 10e-6, "operations"), (1, 1, 1e-12, "latency")):
            kind = model.Kind("k", moved, flops, True, 0.5, 1e12)
            self.assertAlmostEqual(kind.seconds(self.machine)[0], work)
            self.assertAlmostEqual(kind.seconds(self.machine)[1], 2e-6)
            self.assertEqual(kind.bound(self.machine), bound)
        self.assertAlmostEqual(model.Kind("k", 1, 1, False, 0.5, 1e12).seconds(self.machine)[1], 4e-6)

    def test_a_last_wave_of_few_blocks_is_slower_than_the_memory(self) -> None:
        machine = model.Machine(bandwidth=1e12, product_blocks=100, product_block_bandwidth=2e10)
        # 210: ten of them alone at a fifth of the memory's rate
        for blocks, expected in ((0, 10e-6), (200, 10e-6), (250, 10e-6), (210, 200 / 21 * 1e-6 + 10 / 21 * 5e-6)):
            kind = model.Kind("k", 10_000_000, 1, True, 0.5, 1e12, blocks=blocks)
            self.assertAlmostEqual(kind.transfer(machine), expected)

    def test_a_product_of_up_to_64_tokens_is_one_kernel(self) -> None:
        for tokens, share, blocks in ((16, 0.5, 3), (17, 0.25, 0), (64, 0.25, 0)):
            found = self.kinds("linear", tokens, [48, 4], {"gated": True}, 99, ("norm_weight",))
            self.assertEqual([(k.name, k.bytes, k.programmatic, k.share, k.blocks) for k in found.values()],
                             [("linear y", 99, True, share, blocks)])

    def test_a_product_of_many_tokens_leaves_things_in_memory(self) -> None:
        tokens, n, k = 100, 6, 4
        # The op's own bytes: weight, norm's weight, x, out; gated, out has half of n.
        moved = 2 * (n * k + k + tokens * k + tokens * n // 2)
        found = self.kinds("linear", tokens, [n, k], {"gated": True}, moved, ("norm_weight",))
        self.assertEqual({name.split(", ")[1]: kind.bytes for name, kind in found.items()},
                         {"norm": 2 * tokens * 2 * k,                             # x is read, normed written
                          "gemm": 2 * (n * k + k + tokens * k + tokens * n),      # normed is read, z written
                          "finish": 2 * (tokens * n + tokens * n // 2)})          # z is read, out written
        self.assertEqual(found["linear y, gemm"].flops, 8)
        self.assertFalse(found["linear y, gemm"].programmatic)
        self.assertEqual(list(self.kinds("linear", tokens, [n, k], {}, 1, ("residual",))), ["linear y, gemm"])

    @unittest.skipUnless("VITRO_BINARY" in os.environ, "there is no VITRO_BINARY")
    def test_all_of_it(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "report.json"
            path.write_text(json.dumps(report("sample", "sample(f32 [R, 9]) R=1 S=1 T=1") +
                                       report("linear", "linear()")))
            done = subprocess.run([sys.executable, SCRIPTS / "model.py", "--vitro", os.environ["VITRO_BINARY"],
                                   "--report", path], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        first = next(line for line in done.stdout.splitlines() if "batch 1, context 0" in line).split("|")
        self.assertEqual((first[2].strip(), first[4].strip()), ("7.46", "165"))
        self.assertIn("| `linear gated, gemm` | 32 |", done.stdout)

    def test_errors(self) -> None:
        done = subprocess.run([sys.executable, SCRIPTS / "model.py", "--vitro", sys.executable, "--report", "/nowhere"],
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("vitro ops --cuda-report --json", done.stderr)


if __name__ == "__main__":
    unittest.main()
