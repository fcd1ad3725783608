# Two tasks of the array at the same time, without SLURM.
for task in 1 2; do
  SLURM_ARRAY_TASK_ID=$task bash study.sbatch --depth 8 --width 4 --seeds 4 --set steps=40 > depth-$task.log &
done
wait
